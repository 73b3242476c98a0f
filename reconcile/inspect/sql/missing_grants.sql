-- The privileges on objects of one type that the roles of a batch should have and do not: one row for each desired grant,
-- object and privilege, with the roles that lack it. A row without privilege is an object that resolved_objects does not know
-- by its name yet. What is in order stays in the server.
-- $1 text[]: names of roles, intermediate roles among them
-- $2 text[]: only rows with these names or patterns
-- :whole boolean: all rows, whatever $2 is; a constant, so that the few are looked up by name
-- :plain boolean: all rows are plain (sync_roles.is_plain)
-- :'object_type' text: a constant, so that the planner leaves out the other types' catalogs
WITH roles AS MATERIALIZED (
    SELECT r.oid, r.rolname::text AS role_name
    FROM pg_catalog.pg_roles AS r
    WHERE r.rolname = ANY ($1::name[])
    UNION ALL
    SELECT 0, 'public'
    WHERE 'public' = ANY ($1::text[])
),
-- Roles that ask for the same are looked at together.
asked AS MATERIALIZED (
    SELECT g.privilege, min(g.schema_name) AS schema_name, min(g.object_name) AS object_name, min(g.asked_name) AS asked_name,
        min(g.name_match) AS name_match,
        min(g.column_name) AS column_name, min(g.schema_match) AS schema_match, min(g.column_match) AS column_match,
        bool_or(g.partitions) AS partitions, min(g.more) AS more, g.selector, g.direct, g.grantable, g.role_name = 'public' AS public,
        array_agg(g.id) AS grant_ids, array_agg(g.role_name) AS role_names
    FROM sync_roles.desired_holdings AS g
    WHERE g.role_name = ANY ($1::text[]) AND g.object_type = :'object_type' AND g.privilege <> 'OWNER'
        AND (:whole OR g.asked_name = ANY ($2::text[]))
    -- The selector says the rest; the privilege too, but for one that no trigger has checked.
    GROUP BY g.selector, g.privilege, g.direct, g.grantable, public
),
-- LATERAL with OFFSET 0 makes the planner look each name up by index.
found AS MATERIALIZED (
    SELECT s.*, o.class_oid, o.object_oid, o.schema_name AS found_schema, o.object_name AS found_name, o.signature, o.owner,
        o.acl AS object_acl
    FROM asked AS s
    LEFT JOIN LATERAL (
        SELECT o.*
        FROM sync_roles.find_objects(:'object_type', s.schema_name, s.object_name, s.name_match) AS o
        WHERE :plain OR s.schema_match = 'exact'
        UNION ALL
        SELECT o.*
        FROM sync_roles.find_in_schemas(:'object_type', s.schema_name, s.schema_match, s.object_name, s.name_match) AS o
        WHERE NOT :plain
        UNION ALL
        SELECT o.*
        FROM sync_roles.find_partitions(s.schema_name, s.schema_match, s.object_name, s.name_match) AS o
        WHERE NOT :plain AND :'object_type' = 'table' AND s.partitions
        OFFSET 0
    ) AS o ON true
),
targets AS MATERIALIZED (
    SELECT row_number() OVER () AS target, f.*, i.role_oid AS intermediate_oid,
        CASE WHEN f.column_name = '' THEN f.object_acl ELSE sync_roles.unpacked(c.attacl) END AS acl,
        f.column_name <> '' AND f.object_oid IS NOT NULL AND c.attnum IS NULL AS column_missing,
        c.attname AS found_column, c.attnum AS column_number,
        coalesce(p.privilege, f.privilege) AS one_privilege,
        p.privilege IS NOT NULL AS known -- to this server; makeaclitem fails on others
    FROM found AS f
    LEFT JOIN unnest(sync_roles.privileges_of(:'object_type')) AS p (privilege) ON f.privilege IN (p.privilege, 'ALL')
    LEFT JOIN sync_roles.intermediate_roles AS i ON i.selector = f.selector AND NOT f.grantable
    LEFT JOIN LATERAL (
        SELECT c.attname, c.attnum, c.attacl
        FROM pg_catalog.pg_attribute AS c
        WHERE :'object_type' = 'table' AND f.column_name <> '' AND c.attrelid = f.object_oid AND NOT c.attisdropped
            AND CASE
                WHEN :plain OR f.column_match = 'exact' THEN c.attname = f.column_name
                ELSE c.attnum > 0 AND sync_roles.is_column(c.attname, f.column_name, f.column_match)
            END
        OFFSET 0
    ) AS c ON true
),
-- The batch's memberships in intermediate roles.
members AS MATERIALIZED (
    SELECT m.role_oid, m.member_oid
    FROM roles AS r
    CROSS JOIN LATERAL (
        SELECT m.role_oid, m.member_oid
        FROM sync_roles.memberships AS m
        WHERE m.member_oid = r.oid AND m.inherit_option
        OFFSET 0
    ) AS m
    JOIN sync_roles.intermediate_roles AS i ON i.role_oid = m.role_oid
),
-- Those who have it neither as members nor from the owner, who nearly always is the grantor: that is seen without taking the
-- ACL apart.
candidates AS MATERIALIZED (
    SELECT t.target, t.grantable, u.grant_id, u.role_name, r.oid AS grantee
    FROM targets AS t
    CROSS JOIN LATERAL unnest(t.grant_ids, t.role_names) AS u (grant_id, role_name)
    LEFT JOIN roles AS r USING (role_name)
    WHERE CASE
        WHEN t.object_oid IS NULL OR r.oid IS NULL OR NOT t.known THEN true
        WHEN t.intermediate_oid IS NOT NULL AND t.direct IS NOT TRUE
            AND (t.intermediate_oid, r.oid) IN (SELECT m.role_oid, m.member_oid FROM members AS m) THEN t.column_missing
        WHEN t.direct IS FALSE OR t.grantable OR t.column_name <> '' THEN true
        -- A parameter that only rows name has no ACL.
        ELSE aclcontains(t.acl, makeaclitem(r.oid, t.owner, t.one_privilege, false)) IS NOT TRUE
    END
),
-- Their ACLs taken apart, each once.
entries AS MATERIALIZED (
    SELECT c.target, a.grantee, a.is_grantable
    FROM (SELECT DISTINCT c.target FROM candidates AS c WHERE c.grantee IS NOT NULL) AS c
    JOIN targets AS t USING (target)
    CROSS JOIN LATERAL (
        SELECT a.grantee, bool_or(a.is_grantable) AS is_grantable
        FROM aclexplode(t.acl) AS a
        WHERE a.privilege_type = t.one_privilege
        GROUP BY a.grantee
        OFFSET 0
    ) AS a
    WHERE t.direct IS NOT FALSE
),
lacking AS (
    SELECT c.target, array_agg(coalesce(c.grant_id, 0)) AS grant_ids, array_agg(c.role_name) AS role_names
    FROM candidates AS c
    LEFT JOIN entries AS e ON e.target = c.target AND e.grantee = c.grantee AND (e.is_grantable OR NOT c.grantable)
    WHERE e.target IS NULL
    GROUP BY c.target
)
SELECT
    l.grant_ids,
    l.role_names,
    t.one_privilege AS privilege,
    t.privilege AS desired_privilege,
    :'object_type' AS object_type,
    coalesce(t.found_schema, t.schema_name) AS schema_name,
    t.asked_name AS desired_name,
    t.name_match,
    coalesce(t.found_column, t.column_name) AS column_name,
    t.direct,
    t.grantable,
    coalesce(t.intermediate_oid, 0) AS intermediate_oid,
    coalesce(t.class_oid, 0) AS class_oid,
    coalesce(t.object_oid, 0) AS object_oid,
    coalesce(t.found_name, '') AS object_name,
    coalesce(t.signature, '') AS signature,
    coalesce(t.owner, 0) AS owner_oid,
    coalesce(cardinality(t.acl), 0) AS acl_length,
    0::bigint AS winner_id,
    false AS create_schema,
    t.column_missing,
    -- Granting takes the privileges of the owner, or a grant option; and USAGE on the schema, which the owner may have.
    CASE
        WHEN t.found_schema <> '' AND NOT has_schema_privilege(t.found_schema::text, 'USAGE')
            AND has_schema_privilege(t.owner, t.found_schema::text, 'USAGE') THEN false
        WHEN t.owner IS NULL OR pg_has_role(t.owner, 'USAGE') THEN true
        ELSE EXISTS (
            SELECT
            FROM aclexplode(t.object_acl || CASE WHEN t.column_name <> '' THEN t.acl END) AS a
            WHERE a.is_grantable AND a.privilege_type = t.one_privilege AND a.grantee <> 0 AND pg_has_role(a.grantee, 'USAGE')
        )
    END AS may_grant,
    coalesce(t.found_schema <> '' AND NOT has_schema_privilege(t.found_schema::text, 'USAGE')
        AND NOT has_schema_privilege(t.owner, t.found_schema::text, 'USAGE'), false) AS no_usage,
    -- No trigger has checked the rows that a restore or logical replication brought.
    CASE WHEN t.more IS NULL THEN
        coalesce(sync_roles.row_problem(CASE WHEN t.public THEN 'public' ELSE 'a role' END, t.privilege, :'object_type',
            nullif(t.schema_name, ''), t.object_name, t.name_match, nullif(t.column_name, ''), t.direct, t.grantable, false), '')
    ELSE coalesce(sync_roles.more_problem(l.grant_ids[1]), '')
    END AS refused,
    0::smallint AS column_number,
    NULL::boolean AS inherit_option,
    NULL::boolean AS set_option,
    coalesce(t.more, '') AS more
FROM lacking AS l
JOIN targets AS t USING (target)
UNION ALL
SELECT '{0}', f.role_names[1:1], '', '', :'object_type', f.found_schema, f.object_name, f.name_match, '', NULL, false, 0,
    f.class_oid, f.object_oid, f.found_name, coalesce(f.signature, ''), coalesce(f.owner, 0), 0, 0, false, false, false, false, '', 0,
    NULL, NULL, ''
FROM found AS f
WHERE f.object_oid <> 0 -- as a parameter without privileges has
    AND (
        SELECT true
        FROM sync_roles.resolved_objects AS r
        WHERE r.class_oid = f.class_oid AND r.object_oid = f.object_oid AND r.column_number = 0 AND r.schema_name = f.found_schema
            AND r.object_name = f.found_name AND r.signature = coalesce(f.signature, '')
        LIMIT 1
    ) IS NULL
UNION ALL
-- Columns by themselves: they can be renamed without their table.
SELECT '{0}', t.role_names[1:1], '', '', :'object_type', t.found_schema, t.object_name, t.name_match, t.found_column, NULL, false, 0,
    t.class_oid, t.object_oid, t.found_name, '', t.owner, 0, 0, false, false, false, false, '', t.column_number,
    NULL, NULL, ''
FROM targets AS t
WHERE :'object_type' = 'table' AND t.column_number IS NOT NULL
    -- An intermediate role holds nothing but what it should; on other roles, a renamed column that is left out by now is found by this.
    AND (:plain OR t.column_match = 'exact' OR t.direct OR t.grantable OR t.public)
    AND (
        SELECT true
        FROM sync_roles.resolved_objects AS r
        WHERE r.class_oid = t.class_oid AND r.object_oid = t.object_oid AND r.column_number = t.column_number
            AND r.schema_name = t.found_schema AND r.object_name = t.found_name AND r.column_name = t.found_column
        LIMIT 1
    ) IS NULL;
