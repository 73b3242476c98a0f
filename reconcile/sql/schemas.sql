-- Who can lend the daemon USAGE on schemas that it may not use.
-- $1 text[]: names of schemas
SELECT n.nspname::text, n.nspowner, has_schema_privilege(n.oid, 'USAGE') AS usage, has_schema_privilege(n.nspowner, n.oid, 'USAGE') AS owner_usage
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname = ANY ($1::name[]);
