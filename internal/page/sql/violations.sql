-- What breaks a rule, as the daemon last saw it: the newest first. To ask the view violations anew takes seconds where there is much.
-- $1 text: of this role; NULL: of all
-- $2 bigint: of this rule; NULL: of all
-- $3 bigint: before this id
-- $4 integer: how many
SELECT v.id, v.forbidden_id, v.role_name, v.privilege, v.object_type, coalesce(v.schema_name, '') AS schema_name, v.object_name,
    coalesce(v.column_name, '') AS column_name, left(v.path, 2000) AS path, v.since, left(v.reason, 500) AS reason,
    left(coalesce(v.culprit, ''), 500) AS culprit
FROM sync_roles.violation_history AS v
WHERE v.until IS NULL AND ($1::text IS NULL OR v.role_name = $1) AND ($2::bigint IS NULL OR v.forbidden_id = $2) AND v.id < $3
ORDER BY v.id DESC
LIMIT $4;
