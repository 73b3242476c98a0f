-- Registers a role that was just made.
-- $1 text: the role
-- $2 integer: its share of the intermediate roles
INSERT INTO sync_roles.keepers (role_oid, role_name, slot)
SELECT r.oid, r.rolname, $2
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = $1
ON CONFLICT (slot) DO UPDATE SET role_oid = excluded.role_oid, role_name = excluded.role_name;
