-- Forgets a role that is active again, or dropped, and those that others have dropped.
-- $1 oid: the role
DELETE FROM sync_roles.suspended_roles AS s
WHERE s.role_oid = $1 OR NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.oid = s.role_oid);
