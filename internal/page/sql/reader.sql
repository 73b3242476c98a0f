-- The connected role, and what of the schema it may read.
SELECT
    current_user::text AS role_name,
    (SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user) AS superuser,
    current_database()::text AS database_name,
    n.oid IS NOT NULL AND EXISTS (
        SELECT FROM pg_catalog.pg_class AS c WHERE c.relnamespace = n.oid AND c.relname = 'role_status'
    ) AS installed,
    coalesce(has_schema_privilege(n.oid, 'USAGE'), false) AS usage,
    ARRAY(
        SELECT c.relname::text
        FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v')
        ORDER BY c.relname
    ) AS relations,
    ARRAY(
        SELECT c.relname::text
        FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v') AND has_table_privilege(c.oid, 'SELECT')
        ORDER BY c.relname
    ) AS readable,
    coalesce((
        SELECT has_function_privilege(p.oid, 'EXECUTE')
        FROM pg_catalog.pg_proc AS p
        WHERE p.pronamespace = n.oid AND p.proname = 'access_as_of' AND p.pronargs = 2
            AND p.proargtypes[0] = 'timestamptz'::regtype AND p.proargtypes[1] = 'text[]'::regtype
    ), false) AS access_as_of
FROM (VALUES (to_regnamespace('sync_roles')::oid)) AS n (oid);
