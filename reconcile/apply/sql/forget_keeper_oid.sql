-- $1 oid: the role
DELETE FROM sync_roles.keepers WHERE role_oid = $1;
