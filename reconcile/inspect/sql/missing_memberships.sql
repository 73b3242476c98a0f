-- The memberships that the roles of a batch should have and do not, in the columns of missing_grants.sql.
-- $1 text[]: names of roles
-- $2 text[]: only rows with these names or patterns
-- :whole boolean: all rows, whatever $2 is; a constant, so that the few are looked up by name
WITH asked AS MATERIALIZED (
    SELECT g.id, g.role_name, r.oid AS member_oid, r.rolinherit AS inherit, g.object_name, g.name_match, g.grantable
    FROM sync_roles.matchable_grants AS g
    LEFT JOIN LATERAL (
        SELECT r.oid, r.rolinherit
        FROM pg_catalog.pg_roles AS r
        WHERE r.rolname = g.role_name COLLATE "C"
        OFFSET 0
    ) AS r ON true
    WHERE g.role_name = ANY ($1) AND g.object_type = 'role'
        AND (:whole OR g.object_name = ANY ($2::text[]))
),
-- Patterns pass by the roles that rows may not ask for, and by the role itself.
found AS MATERIALIZED (
    SELECT s.id, s.role_name, s.object_name, s.name_match, s.member_oid, s.inherit, s.grantable, r.oid, r.rolname
    FROM asked AS s
    LEFT JOIN LATERAL (
        SELECT r.oid, r.rolname
        FROM pg_catalog.pg_roles AS r
        WHERE r.rolname = s.object_name
        OFFSET 0
    ) AS r ON true
    WHERE s.name_match = 'exact'
    UNION ALL
    SELECT s.id, s.role_name, s.object_name, s.name_match, s.member_oid, s.inherit, s.grantable, r.oid, r.rolname
    FROM asked AS s
    LEFT JOIN LATERAL (
        SELECT r.oid, r.rolname
        FROM pg_catalog.pg_roles AS r
        WHERE sync_roles.name_matches(r.rolname, s.object_name, s.name_match)
            AND NOT starts_with(r.rolname, 'pg_') AND NOT sync_roles.is_ours(r.rolname)
            AND r.oid IS DISTINCT FROM s.member_oid
        OFFSET 0
    ) AS r ON true
    WHERE s.name_match <> 'exact'
)
SELECT
    ARRAY[f.id] AS grant_ids,
    ARRAY[f.role_name] AS role_names,
    'MEMBER' AS privilege,
    'MEMBER' AS desired_privilege,
    'role' AS object_type,
    '' AS schema_name,
    f.object_name AS desired_name,
    f.name_match,
    '' AS column_name,
    NULL::boolean AS direct,
    f.grantable,
    0 AS intermediate_oid,
    'pg_catalog.pg_authid'::regclass::oid AS class_oid,
    coalesce(f.oid, 0) AS object_oid,
    coalesce(f.rolname::text, '') AS object_name,
    '' AS signature,
    0 AS owner_oid,
    0 AS acl_length,
    0::bigint AS winner_id,
    false AS create_schema,
    false AS column_missing,
    true AS may_grant,
    false AS no_usage,
    coalesce(sync_roles.row_problem(f.role_name, 'MEMBER', 'role', NULL, f.object_name, f.name_match, NULL, NULL, f.grantable, false),
        '') AS refused,
    0::smallint AS column_number
FROM found AS f
WHERE (
    SELECT true
    FROM sync_roles.memberships AS m
    WHERE m.role_oid = f.oid AND m.member_oid = f.member_oid AND m.set_option
        -- Since 16 each membership has an option of its own, which a change of the role's attribute leaves as it is.
        AND m.inherit_option = f.inherit
        AND (m.admin_option OR NOT f.grantable)
    LIMIT 1
) IS NULL
UNION ALL
SELECT '{0}', ARRAY[min(f.role_name)], '', '', 'role', '', min(f.object_name), min(f.name_match), '', NULL, false, 0,
    'pg_catalog.pg_authid'::regclass::oid, f.oid, f.rolname, '', 0, 0, 0, false, false, false, false, '', 0
FROM found AS f
WHERE f.oid IS NOT NULL
    AND (
        SELECT true
        FROM sync_roles.resolved_objects AS r
        WHERE r.class_oid = 'pg_catalog.pg_authid'::regclass AND r.object_oid = f.oid AND r.schema_name = '' AND r.object_name = f.rolname
        LIMIT 1
    ) IS NULL
GROUP BY f.oid, f.rolname;
