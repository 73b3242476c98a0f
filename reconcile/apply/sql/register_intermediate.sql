-- Registers a role that was just made.
-- $1 text: the role; $2 text, ... $7 text: privilege, object_type, schema_name or '', object_name, name_match, column_name or ''
INSERT INTO sync_roles.intermediate_roles (role_name, role_oid, privilege, object_type, schema_name, object_name, name_match, column_name)
SELECT r.rolname, r.oid, $2, $3, nullif($4, ''), $5, $6, nullif($7, '')
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = $1
ON CONFLICT (role_name) DO UPDATE SET role_oid = excluded.role_oid;
