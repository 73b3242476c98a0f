-- The tables and views of schema sync_roles that passes read and write.
SELECT c.relname::text AS name, c.oid, c.relkind::text AS kind, c.relowner AS owner, row_security_active(c.oid) AS hides
FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = 'sync_roles'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY c.relname;
