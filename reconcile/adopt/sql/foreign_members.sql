-- The memberships of roles in roles that have the name of another database's intermediate role, and hold privileges in this one.
-- $1 text[]: names of roles
SELECT DISTINCT u.rolname::text AS member, r.rolname::text AS granted
FROM pg_catalog.pg_roles AS u
JOIN sync_roles.memberships AS m ON m.member_oid = u.oid
JOIN pg_catalog.pg_roles AS r ON r.oid = m.role_oid
JOIN pg_catalog.pg_shdepend AS d
    ON d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype = 'a'
    -- coalesce: in a large database, its own index of pg_shdepend would be read from end to end.
    AND coalesce(d.dbid) = (SELECT b.oid FROM pg_catalog.pg_database AS b WHERE b.datname = current_database())
WHERE u.rolname = ANY ($1::name[]) AND sync_roles.is_ours(r.rolname) AND sync_roles.foreign_database(r.rolname) IS NOT NULL
    AND NOT EXISTS (SELECT FROM sync_roles.intermediate_roles AS i WHERE i.role_oid = r.oid)
ORDER BY member, granted;
