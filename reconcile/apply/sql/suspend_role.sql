-- Notes that a role lost LOGIN because it is suspended, or retired.
-- $1 text: the role
INSERT INTO sync_roles.suspended_roles AS s (role_oid, role_name, login)
SELECT r.oid, r.rolname, true
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = $1 COLLATE "C"
ON CONFLICT (role_oid) DO UPDATE SET login = true, role_name = excluded.role_name;
