-- The members that rows give an intermediate role.
-- $1 text: the intermediate role
SELECT DISTINCT u.rolname
FROM sync_roles.intermediate_roles AS i
JOIN sync_roles.memberships AS m ON m.role_oid = i.role_oid AND m.inherit_option
JOIN pg_catalog.pg_roles AS u ON u.oid = m.member_oid
JOIN sync_roles.desired_grants AS g
    ON g.role_name = u.rolname AND g.selector = i.selector AND g.direct IS NOT TRUE AND NOT g.grantable
WHERE i.role_name = $1
ORDER BY 1;
