-- Who keeps passes from reading the tables that writers of rows can lock.
SELECT format('LOCK TABLE %s: process %s (%s)', l.relation::regclass, l.pid, a.usename)
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_database AS b ON b.oid = l.database AND b.datname = current_database()
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_backend_pid()
    AND l.relation IN ('sync_roles.desired_grants'::regclass, 'sync_roles.desired_roles'::regclass, 'sync_roles.approvals'::regclass)
ORDER BY l.granted DESC, l.pid;
