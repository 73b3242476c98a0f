-- $1 text: the role
DELETE FROM sync_roles.intermediate_roles WHERE role_name = $1;
