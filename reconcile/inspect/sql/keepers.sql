-- The keepers of these intermediate roles, as which the connected role may act.
-- $1 oid[]: intermediate roles
SELECT DISTINCT ON (m.role_oid) m.role_oid AS oid, r.rolname::text AS keeper
FROM sync_roles.keepers AS k
JOIN pg_catalog.pg_roles AS r ON r.oid = k.role_oid
JOIN sync_roles.memberships AS m ON m.member_oid = k.role_oid AND m.admin_option
WHERE m.role_oid = ANY ($1)
    AND pg_has_role(k.role_oid, CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END)
ORDER BY m.role_oid, r.rolname;
