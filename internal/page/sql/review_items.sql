-- What is to be confirmed in a review, as far as the reader may see it: what is open first.
-- $1 bigint: the review
-- $2 bigint: after this id
-- $3 integer: how many
SELECT i.id, i.role_name, i.privilege, i.object_type, coalesce(i.schema_name, '') AS schema_name, i.object_name, i.selector,
    i.grantable, i.expires_at,
    left(coalesce(i.note, ''), 500) AS note, i.created_by, i.created_at, coalesce(i.decision, '') AS decision,
    left(coalesce(i.comment, ''), 500) AS comment,
    coalesce(i.decided_by, '') AS decided_by, i.decided_at
FROM sync_roles.review_items AS i
WHERE i.review_id = $1 AND i.id > $2
ORDER BY i.id
LIMIT $3;
