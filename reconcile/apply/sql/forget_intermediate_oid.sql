-- $1 oid: the role
DELETE FROM sync_roles.intermediate_roles WHERE role_oid = $1;
