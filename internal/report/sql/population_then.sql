-- How many there were of what the report is about, as far as it is on record.
-- $1 timestamptz: when
WITH periods AS MATERIALIZED (
    SELECT p.role_name, p.object_type, p.schema_name, p.object_name, p.passes_on
    FROM sync_roles.access_periods AS p
    WHERE p.valid @> $1::timestamptz
)
SELECT p.what, p.count
FROM (
    SELECT 1 AS place, 'roles on record' AS what, count(DISTINCT p.role_name) AS count
    FROM periods AS p
    WHERE NOT starts_with(p.role_name, 'pg_') AND p.role_name NOT IN (SELECT m.object_name FROM periods AS m WHERE m.passes_on)
    UNION ALL
    SELECT 2, 'managed roles', count(*) FROM sync_roles.managed_periods AS m WHERE m.valid @> $1
    UNION ALL
    SELECT 3, 'intermediate roles', count(DISTINCT p.object_name) FROM periods AS p WHERE p.passes_on
    UNION ALL
    SELECT 4, 'memberships', count(DISTINCT (p.role_name, p.object_name)) FROM periods AS p WHERE p.object_type = 'role' AND NOT p.passes_on
    UNION ALL
    SELECT 5, 'rows of ' || d.table_name, count(*)
    FROM sync_roles.desired_history AS d
    WHERE d.valid @> $1
    GROUP BY d.table_name
    UNION ALL
    SELECT 6, 'objects on record: ' || p.object_type, count(DISTINCT (p.schema_name, p.object_name))
    FROM periods AS p
    WHERE p.object_type <> 'role'
    GROUP BY p.object_type
) AS p
ORDER BY p.place, p.what COLLATE "C";
