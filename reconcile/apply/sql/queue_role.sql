-- Queues a role that has rows, or had.
-- $1 text: the role
INSERT INTO sync_roles.pending (role_name)
SELECT $1
WHERE EXISTS (SELECT FROM sync_roles.desired_grants WHERE role_name = $1)
    OR EXISTS (SELECT FROM sync_roles.withdrawn WHERE role_name = $1);
