-- How many there are of what the report is about.
WITH ours AS MATERIALIZED (
    SELECT i.role_oid FROM sync_roles.intermediate_roles AS i
    UNION
    SELECT p.role_oid FROM sync_roles.python_intermediate_roles AS p
),
roles AS MATERIALIZED (
    SELECT r.oid, r.rolname::text AS role_name, r.rolcanlogin, r.rolsuper
    FROM pg_catalog.pg_roles AS r
    WHERE NOT starts_with(r.rolname, 'pg_') AND r.oid NOT IN (SELECT o.role_oid FROM ours AS o)
)
SELECT p.what, p.count
FROM (
    SELECT 1 AS place, 'roles' AS what, count(*) AS count FROM roles
    UNION ALL
    SELECT 2, 'roles that can log in', count(*) FROM roles AS r WHERE r.rolcanlogin
    UNION ALL
    SELECT 3, 'superusers', count(*) FROM roles AS r WHERE r.rolsuper
    UNION ALL
    SELECT 4, 'managed roles', count(*) FROM sync_roles.managed_roles
    UNION ALL
    SELECT 5, 'intermediate roles', count(*) FROM ours
    UNION ALL
    SELECT 6, 'memberships', count(*)
    FROM (
        SELECT DISTINCT m.role_oid, m.member_oid
        FROM sync_roles.memberships AS m
        WHERE m.role_oid NOT IN (SELECT o.role_oid FROM ours AS o)
    ) AS m
    UNION ALL
    SELECT 7, 'rows of ' || d.table_name, count(*)
    FROM sync_roles.desired_history AS d
    WHERE upper_inf(d.valid)
    GROUP BY d.table_name
    UNION ALL
    SELECT 8, 'objects: ' || o.object_type, count(*)
    FROM sync_roles.objects AS o
    WHERE o.object_type <> 'role' AND o.object_oid <> 0
    GROUP BY o.object_type
) AS p
ORDER BY p.place, p.what COLLATE "C";
