-- What breaks a rule: the newest first.
-- $1 text: of this role; NULL: of all
-- $2 bigint: of this rule; NULL: of all
-- $3 bigint: how many to leave out
-- $4 integer: how many
SELECT v.forbidden_id, v.role_name, v.privilege, v.object_type, coalesce(v.schema_name, '') AS schema_name, v.object_name,
    coalesce(v.column_name, '') AS column_name, left(v.path, 2000) AS path, v.since, left(v.reason, 500) AS reason,
    count(*) OVER () AS total
FROM sync_roles.violations AS v
WHERE ($1::text IS NULL OR v.role_name = $1) AND ($2::bigint IS NULL OR v.forbidden_id = $2)
ORDER BY v.since DESC, v.forbidden_id, v.role_name, v.object_type, v.schema_name, v.object_name, v.privilege, v.column_name
OFFSET $3
LIMIT $4;
