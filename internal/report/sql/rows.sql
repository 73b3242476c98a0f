-- Continues the query: which rows of desired_grants ask for the privileges held, as they were then.
-- $1 timestamptz: when; NULL: now
,
asking AS MATERIALIZED (
    SELECT g.id, g.role_name, g.privilege, g.object_type, coalesce(g.schema_name, '') AS schema_name, g.object_name, g.name_match,
        coalesce(g.column_name, '') AS column_name, coalesce(g.schema_match, 'exact') AS schema_match,
        coalesce(g.except_names, '{}') AS except_names, coalesce(g.except_schemas, '{}') AS except_schemas,
        coalesce(g.except_columns, '{}') AS except_columns, coalesce(g.partitions, false) AS partitions, coalesce(g.note, '') AS note,
        coalesce(g.source, '') AS source, g.created_by, g.created_at, coalesce(d.written_by, g.updated_by, g.created_by) AS written_by,
        g.expires_at, coalesce(g.selector, '') AS selector,
        g.name_match = 'exact' AND coalesce(g.schema_match, 'exact') = 'exact' AND coalesce(g.except_columns, '{}') = '{}'
            AND NOT coalesce(g.partitions, false) AND g.object_type <> 'routine' AS is_plain
    FROM sync_roles.desired_history AS d
    CROSS JOIN LATERAL jsonb_populate_record(NULL::sync_roles.desired_grants, d."row") AS g
    WHERE d.table_name = 'desired_grants' AND CASE WHEN $1::timestamptz IS NULL THEN upper_inf(d.valid) ELSE d.valid @> $1 END
),
-- Of partitions, and tables that inherit, their parents: those of now, which the history does not keep.
inherits (child_oid, parent_oid) AS (
    SELECT i.inhrelid, i.inhparent FROM pg_catalog.pg_inherits AS i
    UNION
    SELECT b.child_oid, i.inhparent FROM inherits AS b JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = b.parent_oid
),
above AS MATERIALIZED (
    SELECT n.nspname::text AS schema_name, c.relname::text AS object_name, m.nspname::text AS parent_schema, p.relname::text AS parent_name
    FROM inherits AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.child_oid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_class AS p ON p.oid = i.parent_oid
    JOIN pg_catalog.pg_namespace AS m ON m.oid = p.relnamespace
),
-- Of what one has through code: which rows ask for the privilege on the code.
pairs AS (
    SELECT h.number, a.id
    FROM held AS h
    JOIN asking AS a ON a.role_name = h.role_name AND a.object_type = h.code_type AND a.schema_name = h.code_schema
        AND a.object_name = h.code_name AND a.column_name = h.code_column
    WHERE a.is_plain
        AND (a.privilege = h.code_privilege OR a.privilege = 'ALL' AND h.code_privilege <> 'OWNER'
            OR a.privilege = 'OWNER' AND h.means = 'owner')
    UNION
    SELECT h.number, a.id
    FROM held AS h
    JOIN asking AS a ON a.role_name = h.role_name AND a.object_type = h.code_type
    CROSS JOIN LATERAL (
        SELECT sync_roles.compared_name(a.schema_name, a.schema_match, a.except_schemas) AS schema_name,
            sync_roles.compared_match(a.schema_match, a.except_schemas) AS schema_match,
            sync_roles.compared_name(a.object_name, a.name_match, a.except_names) AS object_name,
            sync_roles.compared_match(a.name_match, a.except_names) AS name_match,
            sync_roles.compared_column(nullif(a.column_name, ''), a.name_match, a.except_columns) AS column_name,
            sync_roles.compared_match('exact', a.except_columns) AS column_match
    ) AS c
    WHERE NOT a.is_plain
        AND (a.privilege = h.code_privilege OR a.privilege = 'ALL' AND h.code_privilege <> 'OWNER'
            OR a.privilege = 'OWNER' AND h.means = 'owner')
        AND sync_roles.is_column(h.code_column, coalesce(c.column_name, ''), c.column_match)
        AND (
            sync_roles.in_schema(h.code_schema, c.schema_name, c.schema_match)
                AND sync_roles.means(c.object_name, c.name_match, h.code_own_name, h.code_name)
            OR a.partitions AND EXISTS (
                SELECT
                FROM above AS p
                WHERE p.schema_name = h.code_schema AND p.object_name = h.code_name
                    AND sync_roles.in_schema(p.parent_schema, c.schema_name, c.schema_match)
                    AND sync_roles.means(c.object_name, c.name_match, p.parent_name, NULL)
            )
        )
)
