-- Queues roles of which a step was done and more is left, and notifies the daemons.
-- $1 text[]: the roles
WITH queued AS (
    INSERT INTO sync_roles.pending (role_name)
    SELECT * FROM unnest($1::text[])
    RETURNING role_name
)
SELECT pg_notify('sync_roles', '')
FROM queued;
