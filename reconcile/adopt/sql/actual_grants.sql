-- What roles hold now and no row of theirs asks for, in the words of desired_grants: privileges on objects, memberships, ownerships.
-- Privileges that an owner has on its own objects are implied by owning them; they are listed with "implied" true.
-- Other databases' privileges and owners are left to the rows of those databases.
-- $1 text[]: names of roles; 'public' is PUBLIC
-- $2 text[]: privileged roles in which rows may ask for membership
WITH batch AS MATERIALIZED (
    SELECT r.oid, r.rolname::text AS role_name
    FROM pg_catalog.pg_roles AS r
    WHERE r.rolname = ANY ($1)
    UNION ALL
    SELECT 0, 'public'
    WHERE 'public' = ANY ($1)
),
objects AS MATERIALIZED (
    SELECT o.object_type, o.class_oid, o.object_oid, o.schema_name::text, coalesce(o.signature, o.object_name::text) AS object_name,
        o.owner, o.acl
    FROM sync_roles.objects AS o
    WHERE o.object_type <> 'role' AND (o.object_type <> 'database' OR o.object_name = current_database())
),
entries AS (
    SELECT o.object_type, o.schema_name, o.object_name, '' AS column_name, o.owner, a.grantee, a.privilege_type AS privilege, a.is_grantable
    FROM objects AS o
    CROSS JOIN LATERAL aclexplode(o.acl) AS a
    UNION ALL
    SELECT o.object_type, o.schema_name, o.object_name, c.attname::text, o.owner, a.grantee, a.privilege_type, a.is_grantable
    FROM objects AS o
    JOIN pg_catalog.pg_attribute AS c ON c.attrelid = o.object_oid AND c.attacl IS NOT NULL AND NOT c.attisdropped
    CROSS JOIN LATERAL aclexplode(sync_roles.unpacked(c.attacl)) AS a
    WHERE o.object_type = 'table'
),
held AS (
    -- Several grantors can have granted the same.
    SELECT b.role_name, e.privilege, e.object_type, e.schema_name, e.object_name, e.column_name, bool_or(e.is_grantable) AS grantable,
        e.grantee = e.owner AS implied, NULL::boolean AS inherit_option, NULL::boolean AS set_option
    FROM batch AS b
    JOIN entries AS e ON e.grantee = b.oid
    GROUP BY 1, 2, 3, 4, 5, 6, 8
    UNION
    -- What the Python library's intermediate roles give counts as held.
    SELECT b.role_name, p.privilege, o.object_type, o.schema_name, o.object_name, '', false, false, NULL, NULL
    FROM batch AS b
    JOIN sync_roles.memberships AS m ON m.member_oid = b.oid AND m.inherit_option
    JOIN sync_roles.python_intermediate_roles AS p ON p.role_oid = m.role_oid
    JOIN objects AS o ON o.class_oid = p.class_oid AND o.object_oid = p.object_oid
    UNION
    SELECT b.role_name, 'OWNER', o.object_type, o.schema_name, o.object_name, '', false, false, NULL, NULL
    FROM batch AS b
    JOIN objects AS o ON o.owner = b.oid
    WHERE o.object_type <> 'parameter'
        -- A sequence that belongs to a column follows its table.
        AND NOT (o.object_type = 'sequence' AND sync_roles.follows_table(o.class_oid, o.object_oid))
    UNION
    -- Options that are not those which GRANT gives by itself.
    SELECT b.role_name, 'MEMBER', 'role', '', r.rolname::text, '', bool_or(m.admin_option), false,
        CASE WHEN bool_or(m.inherit_option) <> u.rolinherit THEN bool_or(m.inherit_option) END,
        CASE WHEN NOT bool_or(m.set_option) THEN false END
    FROM batch AS b
    JOIN sync_roles.memberships AS m ON m.member_oid = b.oid
    JOIN pg_catalog.pg_roles AS u ON u.oid = b.oid
    JOIN pg_catalog.pg_roles AS r ON r.oid = m.role_oid
    WHERE NOT sync_roles.is_ours(r.rolname)
        -- Rows for these would be refused, and revoke what they name.
        AND r.oid NOT IN (SELECT p.oid FROM sync_roles.roles_reaching_privileges($2) AS p (oid))
        -- Since PostgreSQL 16 whoever creates a role has ADMIN on it, which only a superuser can revoke.
        AND NOT (m.grantor_oid = 10 AND m.admin_option AND NOT m.inherit_option AND NOT m.set_option)
    GROUP BY b.role_name, r.rolname, u.rolinherit
),
-- What is held in two ways is held once.
once AS (
    SELECT h.role_name, h.privilege, h.object_type, h.schema_name, h.object_name, h.column_name, bool_or(h.grantable) AS grantable,
        bool_and(h.implied) AS implied, bool_or(h.inherit_option) AS inherit_option, bool_or(h.set_option) AS set_option
    FROM held AS h
    GROUP BY 1, 2, 3, 4, 5, 6
)
SELECT h.role_name, h.privilege, h.object_type, h.schema_name, h.object_name, h.column_name, h.grantable, h.implied,
    h.inherit_option, h.set_option
FROM once AS h
-- By name and by pattern apart: each has an index.
WHERE NOT EXISTS (
        SELECT
        FROM sync_roles.matchable_grants AS g
        WHERE g.role_name = h.role_name AND g.object_type = h.object_type AND coalesce(g.schema_name, '') = h.schema_name
            AND g.object_name IN (h.object_name, sync_roles.own_name(h.object_type, h.object_name)) AND g.compared_as = 'exact'
            AND coalesce(g.column_name, '') = h.column_name
            AND (g.privilege = h.privilege OR g.privilege = 'ALL' AND h.privilege <> 'OWNER')
            AND (g.grantable OR NOT h.grantable)
            AND g.direct IS NOT FALSE
            AND g.is_plain
    )
    AND NOT EXISTS (
        SELECT
        FROM sync_roles.matchable_grants AS g
        WHERE g.role_name = h.role_name AND g.object_type = h.object_type AND coalesce(g.schema_name, '') = h.schema_name
            AND g.name_match <> 'exact'
            AND sync_roles.means(g.object_name, g.compared_as, sync_roles.own_name(h.object_type, h.object_name), h.object_name)
            AND coalesce(g.column_name, '') = h.column_name
            AND (g.privilege = h.privilege OR g.privilege = 'ALL' AND h.privilege <> 'OWNER')
            AND (g.grantable OR NOT h.grantable)
            AND g.direct IS NOT FALSE
            AND g.is_plain
    )
    AND NOT EXISTS (
        SELECT
        FROM sync_roles.all_matchable_grants AS g
        WHERE g.more IS NOT NULL AND g.role_name = h.role_name AND g.object_type = h.object_type
            AND sync_roles.in_schema(h.schema_name, coalesce(g.schema_name, ''), g.schema_match)
            AND sync_roles.means(g.object_name, g.compared_as, sync_roles.own_name(h.object_type, h.object_name), h.object_name)
            AND sync_roles.is_column(h.column_name, coalesce(g.column_name, ''), g.column_match)
            AND (g.privilege = h.privilege OR g.privilege = 'ALL' AND h.privilege <> 'OWNER')
            AND (g.grantable OR NOT h.grantable)
            AND g.direct IS NOT FALSE
    )
    AND NOT (h.object_type = 'table' AND NOT h.grantable AND EXISTS (
        SELECT
        FROM sync_roles.all_matchable_grants AS g
        CROSS JOIN LATERAL sync_roles.find_partitions(g.schema_name, g.schema_match, g.object_name, g.compared_as) AS p
        WHERE g.partitions AND g.role_name = h.role_name AND g.privilege IN (h.privilege, 'ALL') AND p.schema_name = h.schema_name
            AND p.object_name = h.object_name AND sync_roles.is_column(h.column_name, coalesce(g.column_name, ''), g.column_match)
    ))
    -- An object has one owner, and rows may want another than the present one.
    AND NOT (h.privilege = 'OWNER' AND EXISTS (
        SELECT
        FROM sync_roles.all_matchable_grants AS g
        WHERE g.privilege = 'OWNER' AND g.object_type = h.object_type
            AND sync_roles.in_schema(h.schema_name, coalesce(g.schema_name, ''), g.schema_match)
            AND sync_roles.means(g.object_name, g.compared_as, sync_roles.own_name(h.object_type, h.object_name), h.object_name)
    ))
ORDER BY 1, 3, 4, 5, 6, 2;
