-- Ends sessions that still have what was taken. It looks again: a process may be another session's by now.
-- $1 integer[], $2 oid[]: processes and their roles
SELECT s.pid, pg_terminate_backend(s.pid) AS ended
FROM unnest($1::integer[], $2::oid[]) AS n (pid, role_oid)
JOIN sync_roles.stale_sessions AS s ON s.pid = n.pid AND s.role_oid = n.role_oid
WHERE s.visible AND s.certain;
