-- Registers the role that has the name now.
-- $1 text: the name
UPDATE sync_roles.intermediate_roles AS i SET role_oid = r.oid
FROM pg_catalog.pg_roles AS r
WHERE i.role_name = $1 AND r.rolname = i.role_name;
