-- The items of a review that the reader may see. Those that row-level security lets it decide are decidable.
-- $1 bigint: the review
-- $2 bigint: after this id
-- $3 integer: how many
SELECT i.id, i.role_name, i.selector, i.grantable, i.expires_at, left(coalesce(i.note, ''), 500) AS note, i.created_by, i.created_at,
    coalesce(i.decision, '') AS decision, left(coalesce(i.comment, ''), 500) AS comment, coalesce(i.decided_by, '') AS decided_by,
    i.decided_at, coalesce(i.stale, false) AS stale,
    i.decision IS NULL AND i.review_id = ANY (l.to_decide) AND i.role_name <> ALL (l.reached) AND session_user::text <> ALL (i.authors)
        AS decidable
FROM sync_roles.review_items AS i
CROSS JOIN (
    SELECT r.to_decide, sync_roles.reached_by_login() AS reached FROM sync_roles.reviews_of_login() AS r OFFSET 0
) AS l
WHERE i.review_id = $1 AND i.id > $2
ORDER BY i.id
LIMIT $3;
