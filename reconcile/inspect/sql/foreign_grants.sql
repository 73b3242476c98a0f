-- What roles named like intermediate roles of other databases hold on this one's objects, in the columns of surplus_grants.sql. What a
-- member's own row asks for is left out until the member has it in another way: its access must not be interrupted.
-- $1 text[]: names of roles
WITH batch AS MATERIALIZED (
    SELECT r.oid, r.rolname::text AS role_name
    FROM pg_catalog.pg_roles AS r
    WHERE r.rolname = ANY ($1::name[]) AND sync_roles.foreign_database(r.rolname) IS NOT NULL
        AND NOT EXISTS (SELECT FROM sync_roles.intermediate_roles AS i WHERE i.role_oid = r.oid)
),
objects AS MATERIALIZED (
    SELECT h.role_oid, h.role_name, o.*
    FROM (
        SELECT DISTINCT b.oid AS role_oid, b.role_name, d.classid, d.objid
        FROM batch AS b
        JOIN pg_catalog.pg_shdepend AS d
            ON d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = b.oid AND d.deptype = 'a'
            -- coalesce: in a large database, its own index of pg_shdepend would be read from end to end.
            AND coalesce(d.dbid) = (SELECT c.oid FROM pg_catalog.pg_database AS c WHERE c.datname = current_database())
    ) AS h
    CROSS JOIN LATERAL (
        SELECT o.*
        FROM sync_roles.objects AS o
        WHERE o.class_oid = h.classid AND o.object_oid = h.objid
        OFFSET 0
    ) AS o
),
entries AS MATERIALIZED (
    SELECT o.role_oid, o.class_oid, o.object_oid, '' AS column_name, a.grantor, a.grantee, a.privilege_type AS privilege, a.is_grantable
    FROM objects AS o
    CROSS JOIN LATERAL aclexplode(o.acl) AS a
    UNION ALL
    SELECT o.role_oid, o.class_oid, o.object_oid, c.attname::text, a.grantor, a.grantee, a.privilege_type, a.is_grantable
    FROM objects AS o
    JOIN pg_catalog.pg_attribute AS c ON c.attrelid = o.object_oid AND c.attacl IS NOT NULL AND NOT c.attisdropped
    CROSS JOIN LATERAL aclexplode(sync_roles.unpacked(c.attacl)) AS a
    WHERE o.object_type = 'table'
),
-- What rows of its members ask for, and through which intermediate roles these can have it.
asking AS MATERIALIZED (
    SELECT b.oid AS role_oid, u.oid AS member_oid, g.object_type, coalesce(g.schema_name, '') AS schema_name, g.object_name, g.name_match,
        g.privilege, coalesce(g.column_name, '') AS column_name, g.schema_match, g.column_match,
        ARRAY(
            SELECT i.role_oid
            FROM sync_roles.memberships AS n
            JOIN sync_roles.intermediate_roles AS i ON i.role_oid = n.role_oid
            WHERE n.member_oid = u.oid AND n.inherit_option
        ) AS through
    FROM batch AS b
    JOIN sync_roles.memberships AS m ON m.role_oid = b.oid AND m.inherit_option
    JOIN pg_catalog.pg_roles AS u ON u.oid = m.member_oid
    JOIN sync_roles.all_matchable_grants AS g ON g.role_name = u.rolname AND g.privilege NOT IN ('OWNER', 'MEMBER')
)
SELECT o.role_name, e.privilege, e.column_name, e.grantor AS grantor_oid,
    o.object_type, o.class_oid, o.object_oid,
    o.schema_name::text, o.object_name::text, coalesce(o.signature, '') AS signature, o.owner AS owner_oid, true AS undeclared,
    EXISTS (
        SELECT
        FROM entries AS r
        WHERE r.role_oid = e.role_oid AND r.class_oid = e.class_oid AND r.object_oid = e.object_oid
            AND r.column_name = e.column_name AND r.privilege = e.privilege AND r.is_grantable
            AND r.grantee NOT IN (0, o.owner) AND pg_has_role(r.grantee, 'USAGE')
    ) AS rival,
    -- Who holds it from this role: as in surplus_grants.sql, but that what a row asks for is granted again whoever else has granted it.
    CASE WHEN e.is_grantable THEN (
        WITH RECURSIVE losers AS (
            SELECT e.grantee AS oid
            UNION
            SELECT r.grantee
            FROM losers AS l
            JOIN entries AS r
                ON r.role_oid = e.role_oid AND r.class_oid = e.class_oid AND r.object_oid = e.object_oid
                AND r.column_name = e.column_name AND r.privilege = e.privilege AND r.grantor = l.oid AND r.is_grantable
        )
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'role', d.role_name, 'grantor', r.grantor::bigint, 'desired', d.grantable IS NOT NULL, 'grantable',
                coalesce(d.grantable, false), 'option', r.is_grantable
        ) ORDER BY d.role_name, r.grantor), '[]')
        FROM losers AS l
        JOIN entries AS r
            ON r.role_oid = e.role_oid AND r.class_oid = e.class_oid AND r.object_oid = e.object_oid
            AND r.column_name = e.column_name AND r.privilege = e.privilege AND r.grantor = l.oid
        LEFT JOIN pg_catalog.pg_roles AS u ON u.oid = r.grantee
        CROSS JOIN LATERAL (
            SELECT coalesce(u.rolname::text, 'public') AS role_name, bool_or(g.grantable) AS grantable
            FROM sync_roles.all_desired_holdings AS g
            WHERE g.id IS NOT NULL AND g.role_name = coalesce(u.rolname::text, 'public') AND g.object_type = o.object_type
                AND g.privilege IN (e.privilege, 'ALL') AND sync_roles.in_schema(o.schema_name, g.schema_name, g.schema_match)
                AND sync_roles.is_column(e.column_name, g.column_name, g.column_match)
                AND sync_roles.means(g.object_name, g.compared_as, o.object_name, o.signature)
                AND g.direct IS NOT FALSE
        ) AS d
    ) ELSE '[]' END AS dependents,
    false AS passed_on,
    o.schema_name <> '' AND NOT has_schema_privilege(o.schema_name::text, 'USAGE') AS no_usage,
    o.schema_name <> '' AND NOT has_schema_privilege(e.grantor, o.schema_name::text, 'USAGE') AS grantor_no_usage,
    false AS option_only, false AS still_desired, false AS expired, '{}'::bigint[] AS transactions,
    false AS name_lost, '{}'::text[] AS columns, '{}'::boolean[] AS column_options
FROM entries AS e
JOIN objects AS o ON o.role_oid = e.role_oid AND o.class_oid = e.class_oid AND o.object_oid = e.object_oid
WHERE e.grantee = e.role_oid
    AND NOT EXISTS (
        SELECT
        FROM asking AS k
        WHERE k.role_oid = e.role_oid AND k.object_type = o.object_type
            AND sync_roles.in_schema(o.schema_name, k.schema_name, k.schema_match)
            AND sync_roles.is_column(e.column_name, k.column_name, k.column_match)
            AND k.privilege IN (e.privilege, 'ALL')
            AND sync_roles.means(k.object_name, k.name_match, o.object_name, o.signature)
            AND NOT EXISTS (
                SELECT
                FROM entries AS other
                WHERE other.role_oid = e.role_oid AND other.class_oid = e.class_oid AND other.object_oid = e.object_oid
                    AND other.column_name = e.column_name AND other.privilege = e.privilege
                    AND (other.grantee = k.member_oid OR other.grantee = ANY (k.through))
            )
    );
