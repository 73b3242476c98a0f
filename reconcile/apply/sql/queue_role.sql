-- Queues a role that has rows, or had, and notifies the daemons: the process of this pass may not look at the queue after it.
-- $1 text: the role
WITH queued AS (
    INSERT INTO sync_roles.pending (role_name)
    SELECT $1
    WHERE EXISTS (SELECT FROM sync_roles.desired_grants WHERE role_name = $1)
        OR EXISTS (SELECT FROM sync_roles.withdrawn WHERE role_name = $1)
    RETURNING role_name
)
SELECT pg_notify('sync_roles', '')
FROM queued;
