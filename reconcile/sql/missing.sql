-- What the roles of a batch should have and do not: one row for each privilege on each object, and one for each desired
-- grant that no object answers to. What is in order stays in the server. A row without privilege is an object that rows of
-- the role name and that resolved_objects does not know by that name yet.
-- $1 text[]: names of roles, intermediate roles among them
WITH holdings AS MATERIALIZED (
    SELECT g.*, r.oid AS grantee, r.rolinherit AS inherit, i.role_oid AS intermediate_oid,
        g.direct IS NOT TRUE AND i.role_oid IS NOT NULL AND EXISTS (
            SELECT
            FROM sync_roles.memberships AS m
            WHERE m.role_oid = i.role_oid AND m.member_oid = r.oid AND m.inherit_option
        ) AS is_member
    FROM sync_roles.desired_holdings AS g
    LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = g.role_name
    LEFT JOIN sync_roles.intermediate_roles AS i
        ON i.object_type = g.object_type AND i.object_name = g.object_name AND i.privilege = g.privilege
        AND coalesce(i.schema_name, '') = g.schema_name AND i.name_match = g.name_match
        AND coalesce(i.column_name, '') = g.column_name
        AND NOT g.grantable
    WHERE g.role_name = ANY ($1)
),
selectors AS (
    SELECT DISTINCT h.object_type, h.schema_name, h.object_name, h.name_match
    FROM holdings AS h
),
-- LATERAL with OFFSET 0 makes the planner look each name up in the one catalog that it can be in, by index.
found AS MATERIALIZED (
    SELECT s.object_type, s.schema_name, s.object_name, s.name_match,
        o.class_oid, o.object_oid, o.object_name AS found_name, o.signature, o.owner, o.acl
    FROM selectors AS s
    CROSS JOIN LATERAL (
        SELECT o.*
        FROM sync_roles.objects AS o
        WHERE o.object_type = s.object_type AND o.schema_name = s.schema_name
            AND o.object_name = CASE WHEN s.object_type = 'routine' THEN split_part(s.object_name, '(', 1) ELSE s.object_name END
        OFFSET 0
    ) AS o
    WHERE s.name_match = 'exact'
        AND (s.object_type <> 'routine' OR s.object_name IN (o.object_name, o.signature))
    UNION ALL
    SELECT s.object_type, s.schema_name, s.object_name, s.name_match,
        o.class_oid, o.object_oid, o.object_name, o.signature, o.owner, o.acl
    FROM selectors AS s
    CROSS JOIN LATERAL (
        SELECT o.*
        FROM sync_roles.objects AS o
        WHERE o.object_type = s.object_type AND o.schema_name = s.schema_name
            AND sync_roles.name_matches(o.object_name, s.object_name, s.name_match)
        OFFSET 0
    ) AS o
    WHERE s.name_match <> 'exact'
        -- Patterns for roles pass by those that rows may not ask for.
        AND (s.object_type <> 'role' OR NOT starts_with(o.object_name, 'pg_') AND NOT starts_with(o.object_name, '_pgsr_'))
)
SELECT
    coalesce(h.id, 0) AS grant_id,
    h.role_name,
    coalesce(p.privilege, h.privilege) AS privilege,
    h.privilege AS asked_privilege,
    h.object_type,
    h.schema_name,
    h.object_name AS asked_name,
    h.name_match,
    h.column_name,
    h.direct,
    h.grantable,
    coalesce(h.intermediate_oid, 0) AS intermediate_oid,
    h.is_member,
    coalesce(f.class_oid, 0) AS class_oid,
    coalesce(f.object_oid, 0) AS object_oid,
    coalesce(f.found_name, '') AS object_name,
    coalesce(f.signature, '') AS signature,
    coalesce(f.owner, 0) AS owner_oid,
    coalesce(cardinality(f.acl), 0) AS acl_length,
    coalesce(owners.winner, 0) AS winner_id,
    -- Rows that came in without the triggers: a restore, logical replication.
    coalesce(CASE WHEN h.id IS NOT NULL THEN sync_roles.grant_problem(h.role_name, h.privilege, h.object_type, nullif(h.schema_name, ''),
        h.object_name, h.name_match, nullif(h.column_name, ''), h.direct, h.grantable, false) END, '') AS invalid,
    coalesce((h.privilege = 'OWNER' AND g.create_if_not_exists), false) AS create_schema,
    f.object_oid IS NOT NULL AND h.column_name <> '' AND c.attnum IS NULL AS column_missing,
    -- Granting takes the privileges of the owner, or a grant option.
    CASE
        WHEN f.owner IS NULL OR pg_has_role(f.owner, 'USAGE') THEN true
        ELSE EXISTS (
            SELECT
            FROM aclexplode(f.acl) AS a
            WHERE a.is_grantable AND a.privilege_type = p.privilege AND a.grantee <> 0 AND pg_has_role(a.grantee, 'USAGE')
        )
    END AS may_grant
FROM holdings AS h
LEFT JOIN found AS f USING (object_type, schema_name, object_name, name_match)
LEFT JOIN sync_roles.desired_grants AS g ON g.id = h.id AND h.privilege = 'OWNER'
LEFT JOIN LATERAL (
    -- One object has one owner: the exact row before patterns, then the oldest.
    SELECT o.id AS winner
    FROM sync_roles.desired_grants AS o
    WHERE o.privilege = 'OWNER' AND o.object_type = h.object_type AND coalesce(o.schema_name, '') = h.schema_name
        AND sync_roles.name_matches(f.found_name, o.object_name, o.name_match)
    ORDER BY o.name_match <> 'exact', o.id
    LIMIT 1
) AS owners ON h.privilege = 'OWNER' AND f.object_oid IS NOT NULL
LEFT JOIN LATERAL unnest(
    CASE WHEN h.privilege = 'ALL' THEN sync_roles.privileges_of(h.object_type) ELSE ARRAY[h.privilege] END
) AS p (privilege) ON f.object_oid IS NOT NULL
LEFT JOIN pg_catalog.pg_attribute AS c
    ON h.column_name <> '' AND h.object_type = 'table'
    AND c.attrelid = f.object_oid AND c.attname = h.column_name AND NOT c.attisdropped
WHERE f.object_oid IS NULL
    OR h.column_name <> '' AND c.attnum IS NULL
    OR NOT CASE h.privilege
        WHEN 'OWNER' THEN f.owner = h.grantee AND owners.winner = h.id
        WHEN 'MEMBER' THEN EXISTS (
            SELECT
            FROM sync_roles.memberships AS m
            WHERE m.role_oid = f.object_oid AND m.member_oid = h.grantee AND m.set_option
                AND (m.inherit_option OR NOT h.inherit)
                AND (m.admin_option OR NOT h.grantable)
        )
        ELSE
            h.is_member
            -- The owner's own grant, which is nearly always the one, without taking the ACL apart.
            OR h.direct IS NOT FALSE AND NOT h.grantable AND h.column_name = '' AND h.grantee IS NOT NULL
                AND aclcontains(f.acl, makeaclitem(h.grantee, f.owner, p.privilege, false))
            OR h.direct IS NOT FALSE AND EXISTS (
                SELECT
                FROM aclexplode(CASE WHEN h.column_name = '' THEN f.acl ELSE c.attacl END) AS a
                WHERE a.grantee = h.grantee AND a.privilege_type = p.privilege AND (a.is_grantable OR NOT h.grantable)
            )
            OR h.direct IS NOT TRUE AND NOT h.grantable AND h.column_name = ''
                AND (SELECT EXISTS (SELECT FROM pg_catalog.pg_roles AS l WHERE l.rolname LIKE '\_pgsr\_local\_%' OR l.rolname LIKE '\_pgsr\_global\_%'))
                AND EXISTS (
                    SELECT
                    FROM sync_roles.memberships AS m
                    JOIN sync_roles.python_intermediate_roles AS l ON l.role_oid = m.role_oid
                    WHERE m.member_oid = h.grantee AND m.inherit_option
                        AND l.class_oid = f.class_oid AND l.object_oid = f.object_oid AND l.privilege = p.privilege
                )
    END
UNION ALL
SELECT 0, (SELECT min(h.role_name) FROM holdings AS h WHERE (h.object_type, h.schema_name, h.object_name, h.name_match) = (f.object_type, f.schema_name, f.object_name, f.name_match)),
    '', '', f.object_type, f.schema_name, f.object_name, f.name_match, '', NULL, false, 0, false,
    f.class_oid, f.object_oid, f.found_name, coalesce(f.signature, ''), coalesce(f.owner, 0), 0, 0, '', false, false, false
FROM found AS f
WHERE NOT EXISTS (
    SELECT
    FROM sync_roles.resolved_objects AS r
    WHERE r.class_oid = f.class_oid AND r.object_oid = f.object_oid AND r.schema_name = f.schema_name AND r.object_name = f.found_name
);
