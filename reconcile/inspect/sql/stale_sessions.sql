-- Sessions of roles that still have what was taken, or may have.
-- $1 text[]: names of roles
SELECT s.pid, coalesce(s.database_name, '') AS database_name, s.role_oid, s.role_name, s.lost,
    s.visible AND s.certain AND (pg_has_role(s.role_oid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE')) AS may_end
FROM sync_roles.stale_sessions AS s
WHERE s.role_name = ANY ($1)
ORDER BY s.role_name, s.pid;
