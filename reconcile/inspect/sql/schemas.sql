-- Who can lend USAGE on schemas to whoever may not use them.
-- $1 text[]: names of schemas
SELECT n.nspname::text AS name, n.tableoid AS class_oid, n.oid, n.nspowner AS owner_oid, has_schema_privilege(n.oid, 'USAGE') AS usage,
    has_schema_privilege(n.oid, 'USAGE WITH GRANT OPTION') AS usage_option,
    has_schema_privilege(n.nspowner, n.oid, 'USAGE') AS owner_usage
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname = ANY ($1::name[]);
