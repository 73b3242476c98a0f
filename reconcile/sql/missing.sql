-- What the roles of a batch should have and do not: one row for each privilege on each object, and one for each desired
-- grant that no object answers to. What is in order stays in the server. A row without privilege is an object that rows of
-- the role name and that resolved_objects does not know by that name yet.
-- $1 text[]: names of roles, intermediate roles among them
WITH roles AS MATERIALIZED (
    SELECT r.oid, r.rolname::text AS role_name, r.rolinherit,
        (
            SELECT true
            FROM pg_catalog.pg_shdepend AS d
            WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = r.oid
            LIMIT 1
        ) AS holds_something
    FROM pg_catalog.pg_roles AS r
    WHERE r.rolname = ANY ($1::name[])
),
holdings AS MATERIALIZED (
    SELECT g.*, CASE WHEN g.role_name = 'public' THEN 0 ELSE r.oid END AS grantee, r.rolinherit AS inherit,
        g.role_name = 'public' OR coalesce(r.holds_something, false) AS holds_something, i.role_oid AS intermediate_oid,
        g.direct IS NOT TRUE AND m.member_oid IS NOT NULL AS is_member
    FROM sync_roles.desired_holdings AS g
    LEFT JOIN roles AS r ON r.role_name = g.role_name
    LEFT JOIN sync_roles.intermediate_roles AS i
        ON i.object_type = g.object_type AND i.object_name = g.object_name AND i.privilege = g.privilege
        AND coalesce(i.schema_name, '') = g.schema_name AND i.name_match = g.name_match
        AND coalesce(i.column_name, '') = g.column_name
        AND NOT g.grantable
    -- LIMIT keeps the planner from reading all memberships at once.
    LEFT JOIN LATERAL (
        SELECT m.member_oid
        FROM sync_roles.memberships AS m
        WHERE m.role_oid = i.role_oid AND m.member_oid = r.oid AND m.inherit_option
        LIMIT 1
    ) AS m ON i.role_oid IS NOT NULL
    WHERE g.role_name = ANY ($1::text[])
),
selectors AS (
    SELECT h.object_type, h.schema_name, h.object_name, h.name_match, min(h.role_name) AS one_role
    FROM holdings AS h
    GROUP BY 1, 2, 3, 4
),
-- LATERAL with OFFSET 0 makes the planner look each name up in the one catalog that it can be in, by index.
found AS MATERIALIZED (
    SELECT s.object_type, s.schema_name, s.object_name, s.name_match, s.one_role,
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
    SELECT s.object_type, s.schema_name, s.object_name, s.name_match, s.one_role,
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
),
-- What is not in order, and who should own what, which takes a closer look.
missing AS MATERIALIZED (
    SELECT h.*, f.class_oid, f.object_oid, f.found_name, f.signature, f.owner, f.acl, p.privilege AS one_privilege,
        h.column_name <> '' AND f.object_oid IS NOT NULL AND c.attnum IS NULL AS column_missing
    FROM holdings AS h
    LEFT JOIN found AS f USING (object_type, schema_name, object_name, name_match)
    LEFT JOIN LATERAL unnest(
        CASE WHEN h.privilege = 'ALL' THEN sync_roles.privileges_of(h.object_type) ELSE ARRAY[h.privilege] END
    ) AS p (privilege) ON true
    LEFT JOIN LATERAL (
        SELECT c.attnum, c.attacl
        FROM pg_catalog.pg_attribute AS c
        WHERE h.column_name <> '' AND h.object_type = 'table'
            AND c.attrelid = f.object_oid AND c.attname = h.column_name AND NOT c.attisdropped
        OFFSET 0
    ) AS c ON true
    WHERE f.object_oid IS NULL
        OR h.column_name <> '' AND c.attnum IS NULL
        OR NOT CASE h.privilege
            WHEN 'OWNER' THEN false
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
                -- (aclcontains fails on a privilege that this server does not know.)
                OR h.direct IS NOT FALSE AND NOT h.grantable AND h.column_name = '' AND h.grantee IS NOT NULL
                    AND CASE WHEN p.privilege = ANY (sync_roles.privileges_of(h.object_type))
                        THEN aclcontains(f.acl, makeaclitem(h.grantee, f.owner, p.privilege, false)) ELSE false END
                -- Otherwise the ACL is taken apart; for a new role, there is no need.
                OR h.direct IS NOT FALSE AND h.holds_something
                    AND EXISTS (
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
)
SELECT
    coalesce(m.id, 0) AS grant_id,
    m.role_name,
    coalesce(m.one_privilege, m.privilege) AS privilege,
    m.privilege AS asked_privilege,
    m.object_type,
    m.schema_name,
    m.object_name AS asked_name,
    m.name_match,
    m.column_name,
    m.direct,
    m.grantable,
    coalesce(m.intermediate_oid, 0) AS intermediate_oid,
    m.is_member,
    coalesce(m.class_oid, 0) AS class_oid,
    coalesce(m.object_oid, 0) AS object_oid,
    coalesce(m.found_name, '') AS object_name,
    coalesce(m.signature, '') AS signature,
    coalesce(m.owner, 0) AS owner_oid,
    coalesce(cardinality(m.acl), 0) AS acl_length,
    coalesce(owners.winner, 0) AS winner_id,
    coalesce((SELECT g.create_if_not_exists FROM sync_roles.desired_grants AS g WHERE m.privilege = 'OWNER' AND g.id = m.id), false) AS create_schema,
    m.column_missing,
    -- Granting takes the privileges of the owner, or a grant option.
    CASE
        WHEN m.owner IS NULL OR pg_has_role(m.owner, 'USAGE') THEN true
        ELSE EXISTS (
            SELECT
            FROM aclexplode(m.acl) AS a
            WHERE a.is_grantable AND a.privilege_type = m.one_privilege AND a.grantee <> 0 AND pg_has_role(a.grantee, 'USAGE')
        )
    END AS may_grant,
    m.schema_name <> '' AND m.object_oid IS NOT NULL AND NOT has_schema_privilege(m.schema_name, 'USAGE') AS no_usage
FROM missing AS m
LEFT JOIN LATERAL (
    -- One object has one owner: the exact row before patterns, then the oldest.
    SELECT o.id AS winner
    FROM sync_roles.desired_grants AS o
    WHERE m.privilege = 'OWNER' AND m.object_oid IS NOT NULL
        AND o.privilege = 'OWNER' AND o.object_type = m.object_type AND coalesce(o.schema_name, '') = m.schema_name
        AND (sync_roles.name_matches(m.found_name, o.object_name, o.name_match) OR o.name_match = 'exact' AND o.object_name = m.signature)
    ORDER BY o.name_match <> 'exact', o.created_at, o.id
    LIMIT 1
) AS owners ON true
-- A pattern for roles passes by the role itself.
WHERE NOT (m.privilege = 'MEMBER' AND m.name_match <> 'exact' AND m.object_oid IS NOT DISTINCT FROM m.grantee AND m.object_oid IS NOT NULL)
    AND (m.privilege <> 'OWNER' OR m.object_oid IS NULL OR m.owner IS DISTINCT FROM m.grantee OR owners.winner IS DISTINCT FROM m.id)
UNION ALL
SELECT 0, f.one_role, '', '', f.object_type, f.schema_name, f.object_name, f.name_match, '', NULL, false, 0, false,
    f.class_oid, f.object_oid, f.found_name, coalesce(f.signature, ''), coalesce(f.owner, 0), 0, 0, false, false, false, false
FROM found AS f
WHERE NOT EXISTS (
    SELECT
    FROM sync_roles.resolved_objects AS r
    WHERE r.class_oid = f.class_oid AND r.object_oid = f.object_oid AND r.schema_name = f.schema_name AND r.object_name = f.found_name
);
