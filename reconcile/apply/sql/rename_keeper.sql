-- $1 oid: the role
-- $2 text: its name
UPDATE sync_roles.keepers SET role_name = $2 WHERE role_oid = $1;
