-- The rows of these roles, with what they ask for: objects that exist, and of rows that leave columns out, each of the others.
-- $1 text[]: names of roles
-- $2 text, $3 text, $4 text: only rows for this object: its type, schema (empty for types that live in none), and name or signature;
--   NULL: all.
--    Memberships are always listed.
SELECT g.id, g.role_name, g.privilege, coalesce(c.attname, g.column_name, '') AS column_name, g.direct IS NOT TRUE AS indirect, g.grantable,
    g.selector, coalesce(g.note, '') AS note, g.created_by,
    o.object_type, o.schema_name::text, coalesce(o.signature, o.object_name::text) AS object_name
FROM sync_roles.desired_grants AS g
CROSS JOIN LATERAL (
    SELECT coalesce(sync_roles.compared_name(g.schema_name, g.schema_match, g.except_schemas), '') AS schema_name,
        sync_roles.compared_match(g.schema_match, g.except_schemas) AS schema_match,
        sync_roles.compared_name(g.object_name, g.name_match, g.except_names) AS object_name,
        sync_roles.compared_match(g.name_match, g.except_names) AS name_match
) AS w
CROSS JOIN LATERAL (
    SELECT o.object_type, o.object_oid, o.schema_name, o.object_name, o.signature
    FROM sync_roles.find_objects(g.object_type, w.schema_name, w.object_name, w.name_match) AS o
    WHERE w.schema_match = 'exact' AND ($2::text IS NULL OR o.object_type = 'role' OR coalesce(o.signature, o.object_name::text) = $4)
    UNION ALL
    SELECT o.object_type, o.object_oid, o.schema_name, o.object_name, o.signature
    FROM sync_roles.find_in_schemas(g.object_type, w.schema_name, w.schema_match, w.object_name, w.name_match) AS o
    WHERE $2::text IS NULL OR o.schema_name = $3 AND coalesce(o.signature, o.object_name::text) = $4
    UNION ALL
    SELECT o.object_type, o.object_oid, o.schema_name, o.object_name, o.signature
    FROM sync_roles.find_partitions(w.schema_name, w.schema_match, w.object_name, w.name_match) AS o
    WHERE g.partitions AND ($2::text IS NULL OR o.schema_name = $3 AND o.object_name = $4)
    OFFSET 0
) AS o
LEFT JOIN LATERAL (
    SELECT c.attname
    FROM pg_catalog.pg_attribute AS c
    WHERE g.except_columns <> '{}' AND c.attrelid = o.object_oid AND c.attnum > 0 AND NOT c.attisdropped
        AND sync_roles.is_column(c.attname, sync_roles.compared_column(NULL, g.name_match, g.except_columns), 'regex')
    OFFSET 0
) AS c ON true
WHERE g.role_name = ANY ($1)
    AND ($2::text IS NULL OR g.object_type = 'role' OR g.object_type = $2 AND o.schema_name = $3
        AND coalesce(o.signature, o.object_name::text) = $4)
    AND (g.except_columns = '{}' OR c.attname IS NOT NULL)
ORDER BY g.id;
