-- The memberships that the roles of a batch should have and do not, in the columns of missing_grants.sql.
-- $1 text[]: names of roles
-- $2 text[]: only rows with these names or patterns
-- :plain boolean: all rows are plain (sync_roles.is_plain); which view is read depends on it
-- :whole boolean: all rows, whatever $2 is; a constant, so that the few are looked up by name
WITH asked AS MATERIALIZED (
    SELECT g.id, g.role_name, r.oid AS member_oid, d.inherit, g.object_name, g.asked_name, g.name_match, g.grantable,
        g.inherit_option, g.set_option, g.more
    FROM sync_roles.matchable_grants AS g
    LEFT JOIN LATERAL (
        SELECT r.oid
        FROM pg_catalog.pg_roles AS r
        WHERE r.rolname = g.role_name COLLATE "C"
        OFFSET 0
    ) AS r ON true
    -- Since 16 each membership has an option of its own, which a change of the role's attribute leaves as it is.
    LEFT JOIN sync_roles.desired_roles AS d
        ON d.role_name = g.role_name AND d.inherit IS NOT NULL AND current_setting('server_version_num')::integer >= 160000
    WHERE g.role_name = ANY ($1) AND g.object_type = 'role'
        AND (:whole OR g.asked_name = ANY ($2::text[]))
),
-- Patterns pass by the roles that rows may not ask for, and by the role itself.
found AS MATERIALIZED (
    SELECT s.id, s.role_name, s.object_name, s.asked_name, s.name_match, s.member_oid, s.inherit, s.grantable, s.inherit_option,
        s.set_option, s.more, r.oid, r.rolname
    FROM asked AS s
    LEFT JOIN LATERAL (
        SELECT r.oid, r.rolname
        FROM pg_catalog.pg_roles AS r
        WHERE r.rolname = s.object_name
        OFFSET 0
    ) AS r ON true
    WHERE s.name_match = 'exact'
    UNION ALL
    SELECT s.id, s.role_name, s.object_name, s.asked_name, s.name_match, s.member_oid, s.inherit, s.grantable, s.inherit_option,
        s.set_option, s.more, r.oid, r.rolname
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
),
-- With the options that rows ask for of the membership: this one, or another that also matches.
wanted AS MATERIALIZED (
    SELECT f.*, coalesce(o.inherit_option, f.inherit) AS wanted_inherit, o.set_option AS wanted_set,
        o.inherit_option IS NOT NULL OR o.set_option IS NOT NULL AS explicit,
        CASE
            WHEN f.inherit_option <> o.inherit_option THEN o.inherit_id
            WHEN f.set_option <> o.set_option THEN o.set_id
            ELSE 0
        END AS winner_id
    FROM found AS f
    -- With OFFSET 0 the function is called only for roles with such rows: a join condition would be checked after the call.
    LEFT JOIN LATERAL (
        SELECT o.inherit_option, o.inherit_id, o.set_option, o.set_id
        FROM sync_roles.membership_options(f.role_name, f.rolname) AS o
        WHERE EXISTS (
            SELECT
            FROM sync_roles.desired_grants AS g
            WHERE g.role_name = f.role_name AND (g.inherit_option IS NOT NULL OR g.set_option IS NOT NULL)
        )
        OFFSET 0
    ) AS o ON true
)
SELECT
    ARRAY[f.id] AS grant_ids,
    ARRAY[f.role_name] AS role_names,
    'MEMBER' AS privilege,
    'MEMBER' AS desired_privilege,
    'role' AS object_type,
    '' AS schema_name,
    f.asked_name AS desired_name,
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
    f.winner_id,
    false AS create_schema,
    false AS column_missing,
    true AS may_grant,
    false AS no_usage,
    coalesce(
        CASE WHEN f.more IS NULL
            THEN sync_roles.row_problem(f.role_name, 'MEMBER', 'role', NULL, f.object_name, f.name_match, NULL, NULL, f.grantable, false)
            ELSE sync_roles.more_problem(f.id)
        END,
        (
            SELECT format('role %s is retired', d.role_name)
            FROM sync_roles.desired_roles AS d
            WHERE d.role_name = coalesce(f.rolname::text, f.object_name) COLLATE "C" AND d.state = 'retired'
        ), '') AS refused,
    0::smallint AS column_number,
    f.wanted_inherit AS inherit_option,
    f.wanted_set AS set_option,
    coalesce(f.more, '') AS more
FROM wanted AS f
WHERE f.winner_id <> 0
    -- An option that should not be is surplus. Without any word about them, a membership of no use is none.
    OR (
        SELECT count(*) > 0
            AND (bool_or(m.admin_option) OR NOT f.grantable)
            AND (bool_or(m.inherit_option OR m.set_option) OR f.explicit)
            AND (bool_or(m.inherit_option) OR f.wanted_inherit IS NOT TRUE)
            AND (bool_or(m.set_option) OR f.wanted_set IS NOT TRUE)
        FROM sync_roles.memberships AS m
        WHERE m.role_oid = f.oid AND m.member_oid = f.member_oid
    ) IS NOT TRUE
UNION ALL
SELECT '{0}', ARRAY[min(f.role_name)], '', '', 'role', '', min(f.object_name), min(f.name_match), '', NULL, false, 0,
    'pg_catalog.pg_authid'::regclass::oid, f.oid, f.rolname, '', 0, 0, 0, false, false, false, false, '', 0, NULL, NULL, ''
FROM found AS f
WHERE f.oid IS NOT NULL
    AND (
        SELECT true
        FROM sync_roles.resolved_objects AS r
        WHERE r.class_oid = 'pg_catalog.pg_authid'::regclass AND r.object_oid = f.oid AND r.schema_name = '' AND r.object_name = f.rolname
        LIMIT 1
    ) IS NULL
GROUP BY f.oid, f.rolname;
