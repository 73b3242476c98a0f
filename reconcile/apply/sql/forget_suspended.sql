-- Forgets a role that is active again, or dropped.
-- $1 oid: the role
DELETE FROM sync_roles.suspended_roles WHERE role_oid = $1;
