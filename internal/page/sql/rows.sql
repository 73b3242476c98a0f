-- The rows that ask for something for a role, as far as the reader may see them.
-- $1 text: the role
-- $2 bigint: after this id
-- $3 integer: how many
SELECT d.id, d.privilege, d.object_type, coalesce(d.schema_name, '') AS schema_name, d.object_name, d.name_match,
    coalesce(d.column_name, '') AS column_name,
    d.selector, d.grantable, d.expires_at, left(coalesce(d.note, ''), 500) AS note, left(coalesce(d.source, ''), 200) AS source,
    d.created_by, d.created_at
FROM sync_roles.desired_grants AS d
WHERE d.role_name = $1 AND d.id > $2
ORDER BY d.id
LIMIT $3;
