-- The roles that have what these roles have: they themselves, and their members.
-- $1 oid[]: roles
WITH RECURSIVE
below (start_oid, role_oid) AS (
    SELECT s.oid, s.oid FROM unnest($1::oid[]) AS s (oid)
    UNION
    SELECT b.start_oid, m.member_oid
    FROM below AS b
    JOIN sync_roles.useful_memberships AS m ON m.role_oid = b.role_oid
),
excepted (forbidden_id, role_oid) AS (
    SELECT f.id, r.oid
    FROM sync_roles.forbidden AS f
    CROSS JOIN LATERAL unnest(f.except_roles) AS e (name)
    JOIN pg_catalog.pg_roles AS r ON r.rolname = e.name
    UNION
    SELECT e.forbidden_id, m.member_oid
    FROM excepted AS e
    JOIN sync_roles.useful_memberships AS m ON m.role_oid = e.role_oid
),
exempt AS MATERIALIZED (
    SELECT e.role_oid, array_agg(e.forbidden_id ORDER BY e.forbidden_id) AS rules
    FROM excepted AS e
    GROUP BY e.role_oid
)
SELECT b.start_oid, b.role_oid, r.rolname::text AS role_name, r.rolcanlogin AS login, o.role_oid IS NOT NULL AS bound,
    coalesce(e.rules, '{}') AS exempt
FROM below AS b
JOIN pg_catalog.pg_roles AS r ON r.oid = b.role_oid
LEFT JOIN sync_roles.bound_roles AS o ON o.role_oid = b.role_oid
LEFT JOIN exempt AS e ON e.role_oid = b.role_oid
ORDER BY 1, 3;
