-- What giving objects to other owners takes.
-- $1 text[], $2 text[]: the new owner and the object's schema, or ''
-- $3 oid[], $4 oid[], $5 oid[]: the object's catalog, the object and its present owner
SELECT
    (SELECT me.rolcreatedb FROM pg_catalog.pg_roles AS me WHERE me.rolname = current_user) AS create_db,
    has_database_privilege(current_database(), 'CREATE') AS create_in_database,
    coalesce(has_schema_privilege(r.oid, n.oid, 'CREATE'), n.oid IS NULL) AS create_in_schema,
    coalesce(n.nspowner, 0) AS schema_owner_oid,
    sync_roles.follows_table(c.class_oid, c.object_oid) AS follows_table,
    coalesce(NOT has_schema_privilege(n.oid, 'USAGE') AND NOT has_schema_privilege(c.owner_oid, n.oid, 'USAGE'), false) AS no_usage,
    coalesce(r.oid, 0) AS to_oid
FROM unnest($1::text[], $2::text[], $3::oid[], $4::oid[], $5::oid[]) WITH ORDINALITY
    AS c (new_owner, schema_name, class_oid, object_oid, owner_oid, position)
LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = c.new_owner
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = nullif(c.schema_name, '')
ORDER BY c.position;
