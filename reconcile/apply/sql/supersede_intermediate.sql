-- Registers another role in the place of one.
-- $1 text: the old role
-- $2 text: the new one
UPDATE sync_roles.intermediate_roles AS i SET role_oid = r.oid, role_name = r.rolname
FROM pg_catalog.pg_roles AS r
WHERE i.role_name = $1 AND r.rolname = $2;
