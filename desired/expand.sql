-- Turns requests for every role into one request for each managed role, and tells whether there were any. Whoever does this may be killed
-- before it serves them, and so it notifies.
WITH requests_for_all AS (
    DELETE FROM sync_roles.pending AS p
    WHERE p.role_name IS NULL
    RETURNING p.requested_by
),
expanded AS (
    INSERT INTO sync_roles.pending (role_name, requested_by)
    SELECT m.role_name, e.requested_by
    FROM (SELECT DISTINCT e.requested_by FROM requests_for_all AS e) AS e
    CROSS JOIN sync_roles.managed_roles AS m
)
SELECT CASE WHEN EXISTS (SELECT FROM requests_for_all) THEN pg_notify('sync_roles', '') IS NOT NULL ELSE false END;
