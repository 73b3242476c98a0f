-- The violations that the daemon had seen in a period, and which were not over before it.
-- $1 timestamptz: when the period ends
-- $2 timestamptz: when it begins
SELECT v.forbidden_id, v.role_name, v.privilege, v.object_type, coalesce(v.schema_name, '') AS schema_name, v.object_name,
    coalesce(v.column_name, '') AS column_name, v.path, v.reason, v.since, CASE WHEN v.until <= $1::timestamptz THEN v.until END AS until
FROM sync_roles.violation_history AS v
WHERE v.since <= $1 AND (v.until IS NULL OR v.until > $2::timestamptz)
ORDER BY v.since, v.id;
