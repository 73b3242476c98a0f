-- What breaks a rule.
-- $1 text: of this role; NULL: of all
-- $2 integer: how many
SELECT v.forbidden_id, v.role_name, v.privilege, v.object_type, coalesce(v.schema_name, '') AS schema_name, v.object_name,
    coalesce(v.column_name, '') AS column_name, left(v.path::text, 2000) AS path, v.since, coalesce(left(v.reason, 1000), '') AS reason
FROM sync_roles.violations AS v
WHERE $1::text IS NULL OR v.role_name = $1
ORDER BY v.since DESC, v.forbidden_id, v.role_name, v.object_type, v.schema_name, v.object_name, v.privilege
LIMIT $2;
