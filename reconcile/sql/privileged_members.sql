-- Roles with a membership that a row asks for, in a role that has come to reach since it was given what rows may not give away.
-- $1 text[]: privileged roles allowed by name, with what they reach
SELECT DISTINCT u.rolname::text AS role_name
FROM sync_roles.roles_reaching_privileges($1) AS p (oid)
JOIN pg_catalog.pg_roles AS r ON r.oid = p.oid
CROSS JOIN LATERAL (
    SELECT m.member_oid
    FROM sync_roles.memberships AS m
    WHERE m.role_oid = p.oid
    OFFSET 0
) AS m
JOIN pg_catalog.pg_roles AS u ON u.oid = m.member_oid
JOIN sync_roles.matchable_grants AS g ON g.role_name = u.rolname AND g.object_type = 'role' AND g.privilege = 'MEMBER'
WHERE sync_roles.name_matches(r.rolname, g.object_name, g.name_match)
ORDER BY 1;
