-- access_as_of for some roles alone: for all of thousands it takes more than a second.

-- It reads views with the rights of who calls it.
CREATE FUNCTION sync_roles.access_as_of(at timestamptz, role_names text[]) RETURNS TABLE (
    role_name text, privilege text, object_type text, schema_name text, object_name text, column_name text, grantable boolean, grantor text,
    via text, since timestamptz, exact boolean, grant_ids bigint[], requested_by text[], notes text[]
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    begins timestamptz;
BEGIN
    SELECT b.since INTO begins FROM sync_roles.history_begin AS b;
    IF access_as_of.at IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
            MESSAGE = 'at is NULL: access_as_of takes a time, such as ''2026-03-31 18:00''';
    ELSIF begins IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = 'there is no history of access yet',
            HINT = 'It begins with the first rescan. Is pg-sync-roles running?';
    ELSIF access_as_of.at < begins THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('the history of access begins at %s, and %s is before that', begins, access_as_of.at),
            HINT = 'Older history was never recorded, or has been deleted by --audit-retention.';
    ELSIF access_as_of.at > clock_timestamp() THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('%s is in the future: access_as_of tells what roles held', access_as_of.at),
            HINT = 'sync_roles.actual_grants has what they hold now.';
    END IF;
    RETURN QUERY
    WITH RECURSIVE held AS MATERIALIZED (
        SELECT row_number() OVER () AS number, h.*, sync_roles.own_name(h.object_type, h.object_name) AS own_name
        FROM sync_roles.access_history AS h
        WHERE h.valid @> access_as_of.at AND (access_as_of.role_names IS NULL OR h.role_name = ANY (access_as_of.role_names))
    ),
    asking AS MATERIALIZED (
        SELECT g.id, g.role_name, g.privilege, g.object_type, coalesce(g.schema_name, '') AS schema_name, g.object_name, g.name_match,
            coalesce(g.column_name, '') AS column_name, coalesce(g.schema_match, 'exact') AS schema_match,
            coalesce(g.except_names, '{}') AS except_names, coalesce(g.except_schemas, '{}') AS except_schemas,
            coalesce(g.except_columns, '{}') AS except_columns, coalesce(g.partitions, false) AS partitions, g.note,
            coalesce(d.written_by, g.created_by) AS written_by, g.created_by
        FROM sync_roles.desired_history AS d
        CROSS JOIN LATERAL jsonb_populate_record(NULL::sync_roles.desired_grants, d."row") AS g
        WHERE d.table_name = 'desired_grants' AND d.valid @> access_as_of.at
            AND (access_as_of.role_names IS NULL OR d.role_name = ANY (access_as_of.role_names))
    ),
    -- Of partitions, and tables that inherit, their parents: those of now, which the history does not keep.
    inherits (child_oid, parent_oid) AS (
        SELECT i.inhrelid, i.inhparent FROM pg_inherits AS i
        UNION
        SELECT b.child_oid, i.inhparent FROM inherits AS b JOIN pg_inherits AS i ON i.inhrelid = b.parent_oid
    ),
    above AS MATERIALIZED (
        SELECT n.nspname::text AS schema_name, c.relname::text AS object_name, m.nspname::text AS parent_schema,
            p.relname::text AS parent_name
        FROM inherits AS i
        JOIN pg_class AS c ON c.oid = i.child_oid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_class AS p ON p.oid = i.parent_oid
        JOIN pg_namespace AS m ON m.oid = p.relnamespace
    ),
    pairs AS (
        SELECT h.number, a.id
        FROM held AS h
        JOIN asking AS a ON a.role_name = h.role_name AND a.object_type = h.object_type AND a.schema_name = coalesce(h.schema_name, '')
            AND a.object_name = h.object_name AND a.privilege = h.privilege AND a.column_name = coalesce(h.column_name, '')
        WHERE a.name_match = 'exact'
        UNION
        SELECT h.number, a.id
        FROM held AS h
        JOIN asking AS a ON a.role_name = h.role_name AND a.object_type = h.object_type
        CROSS JOIN LATERAL (
            SELECT sync_roles.compared_name(a.schema_name, a.schema_match, a.except_schemas) AS schema_name,
                sync_roles.compared_match(a.schema_match, a.except_schemas) AS schema_match,
                sync_roles.compared_name(a.object_name, a.name_match, a.except_names) AS object_name,
                sync_roles.compared_match(a.name_match, a.except_names) AS name_match,
                sync_roles.compared_column(nullif(a.column_name, ''), a.name_match, a.except_columns) AS column_name,
                sync_roles.compared_match('exact', a.except_columns) AS column_match
        ) AS c
        WHERE (a.privilege = 'ALL' OR a.name_match <> 'exact' OR a.schema_match <> 'exact' OR a.except_columns <> '{}' OR a.partitions
                OR a.object_type = 'routine')
            AND (a.privilege = h.privilege OR a.privilege = 'ALL' AND h.privilege <> 'OWNER')
            AND sync_roles.is_column(coalesce(h.column_name, ''), coalesce(c.column_name, ''), c.column_match)
            AND (
                sync_roles.in_schema(coalesce(h.schema_name, ''), c.schema_name, c.schema_match)
                    AND sync_roles.means(c.object_name, c.name_match, h.own_name, h.object_name)
                OR a.partitions AND EXISTS (
                    SELECT
                    FROM above AS p
                    WHERE p.schema_name = h.schema_name AND p.object_name = h.object_name
                        AND sync_roles.in_schema(p.parent_schema, c.schema_name, c.schema_match)
                        AND sync_roles.means(c.object_name, c.name_match, p.parent_name, NULL)
                )
            )
    ),
    reasons AS (
        SELECT p.number, array_agg(DISTINCT a.id) AS grant_ids,
            array_agg(DISTINCT a.created_by) FILTER (WHERE a.created_by IS NOT NULL) AS requested_by,
            array_agg(DISTINCT a.note) FILTER (WHERE a.note IS NOT NULL) AS notes
        FROM pairs AS p
        JOIN asking AS a ON a.id = p.id
        GROUP BY p.number
    )
    SELECT h.role_name, h.privilege, h.object_type, h.schema_name, h.object_name, h.column_name, h.grantable, h.grantor, h.via,
        lower(h.valid), h.exact, coalesce(r.grant_ids, '{}'), coalesce(r.requested_by, '{}'), coalesce(r.notes, '{}')
    FROM held AS h
    LEFT JOIN reasons AS r ON r.number = h.number
    ORDER BY 1, 3, 4, 5, 6, 2, 9;
END
$$;

COMMENT ON FUNCTION sync_roles.access_as_of(timestamptz, text[]) IS
    'As access_as_of(timestamptz), of these roles alone; NULL: of all.';

CREATE OR REPLACE FUNCTION sync_roles.access_as_of(at timestamptz) RETURNS TABLE (
    role_name text, privilege text, object_type text, schema_name text, object_name text, column_name text, grantable boolean, grantor text,
    via text, since timestamptz, exact boolean, grant_ids bigint[], requested_by text[], notes text[]
)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT a.* FROM sync_roles.access_as_of(access_as_of.at, NULL) AS a;
END;

UPDATE sync_roles.installation SET schema_version = 34;
