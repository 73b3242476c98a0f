-- What the roles of a batch should own and do not, in the columns of missing_grants.sql.
-- $1 text[]: names of roles
-- $2 text[]: only rows with these names or patterns
-- :plain boolean: all rows are plain (sync_roles.is_plain)
-- :whole boolean: all rows, whatever $2 is; a constant, so that the few are looked up by name
WITH asked AS MATERIALIZED (
    SELECT g.id, g.role_name, r.oid AS role_oid, g.object_type, coalesce(g.schema_name, '') AS schema_name, g.object_name, g.name_match,
        g.direct,
        g.create_if_not_exists, g.asked_name, g.schema_match, g.more
    FROM sync_roles.matchable_grants AS g
    LEFT JOIN LATERAL (
        SELECT r.oid
        FROM pg_catalog.pg_roles AS r
        WHERE r.rolname = g.role_name COLLATE "C"
        OFFSET 0
    ) AS r ON true
    WHERE g.role_name = ANY ($1) AND g.privilege = 'OWNER'
        AND (:whole OR g.asked_name = ANY ($2::text[]))
),
-- LATERAL with OFFSET 0 makes the planner look each name up in the one catalog that it can be in, by index.
found AS MATERIALIZED (
    SELECT s.id, o.class_oid, o.object_oid, o.schema_name, o.object_name, o.signature, o.owner
    FROM asked AS s
    CROSS JOIN LATERAL (
        SELECT o.*
        FROM sync_roles.find_objects(s.object_type, s.schema_name, s.object_name, s.name_match) AS o
        WHERE :plain OR s.schema_match = 'exact'
        UNION ALL
        SELECT o.*
        FROM sync_roles.find_in_schemas(s.object_type, s.schema_name, s.schema_match, s.object_name, s.name_match) AS o
        WHERE NOT :plain
        OFFSET 0
    ) AS o
)
SELECT
    ARRAY[s.id] AS grant_ids,
    ARRAY[s.role_name] AS role_names,
    'OWNER' AS privilege,
    'OWNER' AS desired_privilege,
    s.object_type,
    coalesce(f.schema_name, s.schema_name) AS schema_name,
    s.asked_name AS desired_name,
    s.name_match,
    '' AS column_name,
    s.direct,
    false AS grantable,
    0 AS intermediate_oid,
    coalesce(f.class_oid, 0) AS class_oid,
    coalesce(f.object_oid, 0) AS object_oid,
    coalesce(f.object_name::text, '') AS object_name,
    coalesce(f.signature, '') AS signature,
    coalesce(f.owner, 0) AS owner_oid,
    0 AS acl_length,
    coalesce(owners.winner, 0) AS winner_id,
    s.create_if_not_exists AS create_schema,
    false AS column_missing,
    true AS may_grant,
    false AS no_usage,
    CASE WHEN s.more IS NULL THEN
        coalesce(sync_roles.row_problem(s.role_name, 'OWNER', s.object_type, nullif(s.schema_name, ''), s.object_name, s.name_match, NULL,
            s.direct, false, false), '')
    ELSE coalesce(sync_roles.more_problem(s.id), '')
    END AS refused,
    0::smallint AS column_number,
    NULL::boolean AS inherit_option,
    NULL::boolean AS set_option,
    coalesce(s.more, '') AS more
FROM asked AS s
LEFT JOIN found AS f USING (id)
LEFT JOIN LATERAL (
    -- One object has one owner: the exact row before patterns, then the oldest.
    SELECT o.id AS winner
    FROM sync_roles.matchable_grants AS o
    WHERE f.object_oid IS NOT NULL
        AND o.privilege = 'OWNER' AND o.object_type = s.object_type
        AND sync_roles.in_schema(f.schema_name, coalesce(o.schema_name, ''), o.schema_match)
        AND sync_roles.means(o.object_name, o.compared_as, f.object_name, f.signature)
    ORDER BY o.name_match <> 'exact' OR o.schema_match <> 'exact', o.created_at, o.id
    LIMIT 1
) AS owners ON true
WHERE f.object_oid IS NULL OR f.owner IS DISTINCT FROM s.role_oid OR owners.winner IS DISTINCT FROM s.id
UNION ALL
SELECT '{0}', ARRAY[s.role_name], '', '', s.object_type, f.schema_name, s.object_name, s.name_match, '', NULL, false, 0,
    f.class_oid, f.object_oid, f.object_name, coalesce(f.signature, ''), coalesce(f.owner, 0), 0, 0, false, false, false, false, '', 0,
    NULL, NULL, ''
FROM found AS f
JOIN asked AS s USING (id)
WHERE (
    SELECT true
    FROM sync_roles.resolved_objects AS r
    WHERE r.class_oid = f.class_oid AND r.object_oid = f.object_oid AND r.column_number = 0 AND r.schema_name = f.schema_name
        AND r.object_name = f.object_name AND r.signature = coalesce(f.signature, '')
    LIMIT 1
) IS NULL;
