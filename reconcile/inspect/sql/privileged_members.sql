-- Roles with a membership that a row asks for, in a role that has come to reach since it was given what rows may not give away.
-- $1 text[]: privileged roles allowed by name, with what they reach
SELECT DISTINCT u.rolname::text AS role_name
FROM sync_roles.roles_reaching_privileges($1) AS p (oid)
JOIN pg_catalog.pg_roles AS r ON r.oid = p.oid
-- LATERAL with OFFSET 0: otherwise the planner may pair all roles with all rows, where it knows nothing of the shared catalogs.
CROSS JOIN LATERAL (
    SELECT m.member_oid
    FROM sync_roles.memberships AS m
    WHERE m.role_oid = p.oid
    OFFSET 0
) AS m
CROSS JOIN LATERAL (
    SELECT u.rolname
    FROM pg_catalog.pg_roles AS u
    WHERE u.oid = m.member_oid
    OFFSET 0
) AS u
CROSS JOIN LATERAL (
    SELECT g.object_name, g.name_match
    FROM sync_roles.all_matchable_grants AS g
    WHERE g.role_name = u.rolname AND g.object_type = 'role' AND g.privilege = 'MEMBER'
    OFFSET 0
) AS g
WHERE sync_roles.name_matches(r.rolname, g.object_name, g.name_match)
ORDER BY 1;
