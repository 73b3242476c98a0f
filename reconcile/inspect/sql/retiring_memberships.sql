-- Memberships of roles that are being retired, and those that they have given to others, which cannot outlive them since PostgreSQL 16.
-- Not the ADMIN that PostgreSQL gives whoever creates a role: only a superuser can revoke it, and DROP ROLE does.
-- $1 text[]: names of roles
WITH retiring AS MATERIALIZED (
    SELECT r.oid, r.rolname::text AS role_name, current_setting('server_version_num')::integer >= 160000 AS options
    FROM pg_catalog.pg_roles AS r
    WHERE r.rolname = ANY ($1)
),
own AS MATERIALIZED (
    SELECT r.oid, r.role_name, m.role_oid, m.grantor_oid, m.admin_option, r.options,
        r.options AND m.grantor_oid = 10 AND m.admin_option AND NOT m.inherit_option AND NOT m.set_option AS implicit
    FROM retiring AS r
    JOIN sync_roles.memberships AS m ON m.member_oid = r.oid
),
given AS MATERIALIZED (
    SELECT r.oid, r.role_name, m.role_oid, m.member_oid, m.admin_option, m.inherit_option, m.set_option, r.options,
        EXISTS (SELECT FROM own AS o WHERE o.oid = r.oid AND o.role_oid = m.role_oid AND o.admin_option AND NOT o.implicit) AS by_option
    FROM retiring AS r
    JOIN sync_roles.memberships AS m ON m.grantor_oid = r.oid AND m.member_oid <> r.oid
)
SELECT o.role_name, g.oid AS granted_oid, g.rolname::text AS granted_name, o.oid AS member_oid, o.role_name AS member_name, o.grantor_oid,
    false AS regrant, '' AS options
FROM own AS o
JOIN pg_catalog.pg_roles AS g ON g.oid = o.role_oid
-- Others first that are members by its ADMIN option.
WHERE NOT o.implicit AND NOT (o.options AND EXISTS (SELECT FROM given AS x WHERE x.oid = o.oid AND x.role_oid = o.role_oid))
UNION ALL
SELECT x.role_name, g.oid, g.rolname, u.oid, u.rolname, x.oid,
    -- Who has a row for it keeps it, and so does who has it from the role's creator: it is no privilege that was passed on.
    d.desired OR NOT x.by_option,
    format(' WITH ADMIN %s, INHERIT %s, SET %s', x.admin_option::text, x.inherit_option::text, x.set_option::text)
FROM given AS x
JOIN pg_catalog.pg_roles AS g ON g.oid = x.role_oid
JOIN pg_catalog.pg_roles AS u ON u.oid = x.member_oid
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT
        FROM sync_roles.matchable_grants AS w
        WHERE w.role_name = u.rolname::text AND w.object_type = 'role' AND w.privilege = 'MEMBER'
            AND sync_roles.name_matches(g.rolname, w.object_name, w.compared_as)
    ) AS desired
) AS d
WHERE x.options OR x.by_option AND NOT d.desired
ORDER BY 1, 3, 5;
