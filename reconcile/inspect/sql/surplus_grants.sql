-- What the roles of a batch hold on objects and should not: what rows gave that are gone, what rows gave on an object or a column that
-- no longer bears its name, and what exclusive roles hold besides. One row for each privilege, object and grantor.
--
-- It runs with enable_nestloop = off, and so takes a time that grows with what it reads, whatever the planner estimates: what is joined
-- is hashed,
-- and LATERAL with OFFSET 0, or a scalar subquery with LIMIT 1, is a search by index for each row.
-- $1 text[]: names of roles, intermediate roles among them
-- :renamed boolean: look for objects that were renamed, which costs a look at every name in use
-- :exclusive boolean: there are roles in the batch that keep nothing but what their rows give
-- :enforced boolean: also what rules of sync_roles.forbidden take
-- :options boolean: of privileges that are desired, the grant option may be surplus
-- :plain boolean: all rows are plain (sync_roles.is_plain); which views are read depends on it
-- :kind text: the only type of objects of which rows are gone, where the other two are false; NULL: any
-- As constants, so that the planner leaves out what is not asked for: the whole of it takes PostgreSQL longer to set up than to run.
WITH batch AS MATERIALIZED (
    SELECT r.oid AS grantee, r.rolname::text AS role_name,
        CASE WHEN i.known THEN '{all}' ELSE coalesce(d.revoke_other, '{}') END AS revoke_other,
        coalesce(d.preserve_existing_grants_in_schemas, '{}') AS preserved
    FROM pg_catalog.pg_roles AS r
    LEFT JOIN LATERAL (
        SELECT d.revoke_other, d.preserve_existing_grants_in_schemas
        FROM sync_roles.desired_roles AS d
        WHERE d.role_name = r.rolname::text
        OFFSET 0
    ) AS d ON true
    CROSS JOIN LATERAL (
        SELECT EXISTS (SELECT FROM sync_roles.intermediate_roles AS i WHERE i.role_oid = r.oid)
            OR EXISTS (SELECT FROM sync_roles.keepers AS k WHERE k.role_oid = r.oid) AS known
        OFFSET 0
    ) AS i
    WHERE r.rolname = ANY ($1)
    UNION ALL
    -- PUBLIC
    SELECT 0, 'public', coalesce(d.revoke_other, '{}'), coalesce(d.preserve_existing_grants_in_schemas, '{}')
    FROM (VALUES (1)) AS one
    LEFT JOIN sync_roles.desired_roles AS d ON d.role_name = 'public'
    WHERE 'public' = ANY ($1)
),
withdrawn AS MATERIALIZED (
    SELECT b.role_name, b.grantee, p.privilege, w.object_type, coalesce(w.schema_name, '') AS schema_name, w.object_name, w.name_match,
        coalesce(w.column_name, '') AS column_name, w.schema_match, w.column_match, w.grantable, w.expired, w.transaction
    FROM batch AS b
    CROSS JOIN LATERAL (
        SELECT w.*
        FROM sync_roles.matchable_withdrawn AS w
        WHERE w.role_name = b.role_name AND w.privilege NOT IN ('OWNER', 'MEMBER') AND w.object_type = coalesce(:kind, w.object_type)
        OFFSET 0
    ) AS w
    CROSS JOIN LATERAL unnest(
        CASE WHEN w.privilege = 'ALL' THEN sync_roles.privileges_of(w.object_type) ELSE ARRAY[w.privilege] END
    ) AS p (privilege)
),
withdrawn_selectors AS MATERIALIZED (
    SELECT DISTINCT w.object_type, w.schema_name, w.object_name, w.name_match, w.schema_match
    FROM withdrawn AS w
),
-- The objects that bear these names now, and those for which they last stood.
withdrawn_objects AS MATERIALIZED (
    SELECT s.object_type, s.schema_name, s.object_name, s.name_match, s.schema_match, o.class_oid, o.object_oid
    FROM withdrawn_selectors AS s
    CROSS JOIN LATERAL (
        SELECT o.class_oid, o.object_oid
        FROM sync_roles.find_objects(coalesce(:kind, s.object_type), s.schema_name, s.object_name, s.name_match) AS o
        WHERE :plain OR s.schema_match = 'exact'
        UNION ALL
        SELECT o.class_oid, o.object_oid
        FROM sync_roles.find_in_schemas(coalesce(:kind, s.object_type), s.schema_name, s.schema_match, s.object_name, s.name_match) AS o
        WHERE NOT :plain
        OFFSET 0
    ) AS o
    UNION
    SELECT s.object_type, s.schema_name, s.object_name, s.name_match, s.schema_match, r.class_oid, r.object_oid
    FROM withdrawn_selectors AS s
    CROSS JOIN LATERAL (
        SELECT r.class_oid, r.object_oid
        FROM sync_roles.find_remembered(coalesce(:kind, s.object_type), s.schema_name, s.object_name, s.name_match) AS r
        WHERE :plain OR s.schema_match = 'exact'
        UNION ALL
        SELECT r.class_oid, r.object_oid
        FROM sync_roles.find_remembered_in_schemas(coalesce(:kind, s.object_type), s.schema_name, s.schema_match, s.object_name,
            s.name_match) AS r
        WHERE NOT :plain
        OFFSET 0
    ) AS r
),
-- Columns that last stood for a name, and have another now.
renamed_columns AS MATERIALIZED (
    SELECT r.class_oid, r.object_oid, r.column_name AS former_name, c.attname::text AS column_name
    FROM (SELECT DISTINCT o.class_oid, o.object_oid FROM withdrawn_objects AS o WHERE o.object_type = 'table') AS o
    CROSS JOIN LATERAL (
        SELECT r.*
        FROM sync_roles.resolved_objects AS r
        WHERE r.class_oid = o.class_oid AND r.object_oid = o.object_oid AND r.column_number <> 0
        OFFSET 0
    ) AS r
    CROSS JOIN LATERAL (
        SELECT c.attname
        FROM pg_catalog.pg_attribute AS c
        WHERE c.attrelid = r.object_oid AND c.attnum = r.column_number AND c.attname <> r.column_name AND NOT c.attisdropped
        OFFSET 0
    ) AS c
),
-- Remembered names that their objects, or columns, no longer bear; and whether others bear them: by the whole signature, and by the name
-- alone.
renamed AS MATERIALIZED (
    SELECT r.class_oid, r.object_oid, r.object_type, r.schema_name, r.object_name, r.signature, r.column_number,
        r.column_name AS former_column, c.attname::text AS column_name,
        coalesce(n.same_signature, false) AS same_signature, n.borne IS NOT NULL AS borne
    FROM sync_roles.resolved_objects AS r
    CROSS JOIN LATERAL (
        SELECT o.schema_name, o.object_name, coalesce(o.signature, '') AS signature
        FROM sync_roles.objects AS o
        WHERE o.object_type = r.object_type AND o.class_oid = r.class_oid AND o.object_oid = r.object_oid
        OFFSET 0
    ) AS o
    LEFT JOIN LATERAL (
        SELECT c.attname
        FROM pg_catalog.pg_attribute AS c
        WHERE r.column_number <> 0 AND c.attrelid = r.object_oid AND c.attnum = r.column_number AND NOT c.attisdropped
        OFFSET 0
    ) AS c ON true
    CROSS JOIN LATERAL (
        SELECT bool_or(coalesce(n.signature, '') = r.signature) AS same_signature, max(1) AS borne
        FROM sync_roles.objects AS n
        WHERE n.object_type = r.object_type AND n.schema_name = r.schema_name AND n.object_name = r.object_name
            AND (r.column_number = 0 OR EXISTS (
                SELECT FROM pg_catalog.pg_attribute AS x WHERE x.attrelid = n.object_oid AND x.attname = r.column_name
                    AND NOT x.attisdropped
            ))
        OFFSET 0
    ) AS n
    WHERE :renamed AND (o.schema_name <> r.schema_name OR o.object_name <> r.object_name OR o.signature <> r.signature
        OR r.column_number <> 0 AND c.attname <> r.column_name)
),
-- What rows of the batch, and its intermediate roles, ask for by a name.
asking AS MATERIALIZED (
    SELECT b.role_name, b.grantee, g.privilege, g.object_type, g.schema_name, g.object_name, g.name_match, g.column_name,
        g.schema_match, g.column_match, sync_roles.own_name(g.object_type, g.object_name) AS own_name
    FROM batch AS b
    CROSS JOIN LATERAL (
        SELECT g.*
        FROM sync_roles.desired_holdings AS g
        WHERE :renamed AND g.role_name = b.role_name AND g.privilege NOT IN ('OWNER', 'MEMBER')
        OFFSET 0
    ) AS g
    WHERE EXISTS (SELECT FROM renamed)
),
gone AS MATERIALIZED (
    SELECT a.role_name, a.grantee, a.privilege, a.column_name AS asked_column, a.column_match, r.*,
        CASE WHEN a.object_name LIKE '%)' THEN r.same_signature ELSE r.borne END AS succeeded
    FROM asking AS a
    JOIN renamed AS r ON r.object_type = a.object_type AND r.object_name = a.own_name
        AND CASE WHEN :plain THEN r.schema_name = a.schema_name ELSE sync_roles.in_schema(r.schema_name, a.schema_name, a.schema_match) END
    WHERE a.name_match = 'exact' AND sync_roles.means(a.object_name, a.name_match, r.object_name, r.signature)
    UNION ALL
    SELECT a.role_name, a.grantee, a.privilege, a.column_name, a.column_match, r.*, r.borne
    FROM asking AS a
    JOIN renamed AS r ON r.object_type = a.object_type
        AND CASE WHEN :plain THEN r.schema_name = a.schema_name ELSE sync_roles.in_schema(r.schema_name, a.schema_name, a.schema_match) END
    WHERE a.name_match <> 'exact' AND sync_roles.means(a.object_name, a.name_match, r.object_name, r.signature)
),
-- privilege '' stands for every privilege; with option, the grant option alone may be surplus
candidates AS MATERIALIZED (
    SELECT w.role_name, w.grantee, w.privilege, w.column_name, w.column_match, o.object_type, o.class_oid, o.object_oid,
        'withdrawn' AS reason, w.grantable AS option, w.expired, w.transaction
    FROM withdrawn AS w
    JOIN withdrawn_objects AS o USING (object_type, schema_name, object_name, name_match, schema_match)
    UNION
    SELECT w.role_name, w.grantee, w.privilege, c.column_name, 'exact', o.object_type, o.class_oid, o.object_oid, 'withdrawn', w.grantable,
        w.expired, w.transaction
    FROM withdrawn AS w
    JOIN withdrawn_objects AS o USING (object_type, schema_name, object_name, name_match, schema_match)
    JOIN renamed_columns AS c ON c.class_oid = o.class_oid AND c.object_oid = o.object_oid
        AND CASE WHEN :plain THEN c.former_name = w.column_name ELSE sync_roles.is_column(c.former_name, w.column_name, w.column_match) END
    UNION
    SELECT g.role_name, g.grantee, p.privilege, CASE WHEN g.column_number = 0 THEN g.asked_column ELSE g.column_name END,
        CASE WHEN g.column_number = 0 THEN g.column_match ELSE 'exact' END, g.object_type, g.class_oid, g.object_oid,
        CASE WHEN g.succeeded THEN 'moved' ELSE 'lost' END, false, false, 0
    FROM gone AS g
    CROSS JOIN LATERAL unnest(
        CASE WHEN g.privilege = 'ALL' THEN sync_roles.privileges_of(g.object_type) ELSE ARRAY[g.privilege] END
    ) AS p (privilege)
    WHERE g.column_number = 0 OR sync_roles.is_column(g.former_column, g.asked_column, g.column_match) AND g.column_name IS NOT NULL
    UNION
    SELECT b.role_name, b.grantee, '', '', 'exact', d.object_type, d.classid, d.objid, 'other', true, false, 0
    FROM batch AS b
    CROSS JOIN LATERAL (
        SELECT DISTINCT d.classid, d.objid, o.object_type
        FROM pg_catalog.pg_shdepend AS d
        CROSS JOIN LATERAL (
            SELECT o.object_type
            FROM sync_roles.objects AS o
            WHERE o.class_oid = d.classid AND o.object_oid = d.objid
            OFFSET 0
        ) AS o
        WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = b.grantee AND d.deptype = 'a'
            -- coalesce: in a large database, its own index of pg_shdepend would be read from end to end.
            AND coalesce(d.dbid) IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
            AND (d.dbid <> 0 OR o.object_type <> 'database' OR d.objid = (SELECT oid FROM pg_catalog.pg_database
                WHERE datname = current_database()))
        OFFSET 0
    ) AS d
    WHERE :exclusive AND b.revoke_other <> '{}'
    UNION
    SELECT b.role_name, b.grantee, e.privilege, e.column_name, 'exact', e.object_type, e.class_oid, e.object_oid, 'forbidden', false,
        false, 0
    FROM batch AS b
    JOIN sync_roles.enforced_entries AS e ON e.grantee = b.grantee
    WHERE :enforced
    UNION
    -- pg_shdepend does not know PUBLIC.
    SELECT b.role_name, b.grantee, '', '', 'exact', o.object_type, o.class_oid, o.object_oid, 'other', true, false, 0
    FROM batch AS b
    CROSS JOIN sync_roles.objects AS o
    WHERE :exclusive AND b.grantee = 0 AND b.revoke_other <> '{}'
        AND (o.object_type <> 'database' OR o.object_name = current_database())
),
-- Each ACL is taken apart once, however many roles it is asked about.
objects AS MATERIALIZED (
    SELECT c.object_type, c.class_oid, c.object_oid, o.schema_name, o.object_name, o.signature, o.owner, o.acl
    FROM (SELECT DISTINCT object_type, class_oid, object_oid FROM candidates) AS c
    CROSS JOIN LATERAL (
        SELECT o.*
        FROM sync_roles.objects AS o
        WHERE o.object_type = coalesce(:kind, c.object_type) AND o.class_oid = c.class_oid AND o.object_oid = c.object_oid
        OFFSET 0
    ) AS o
),
entries AS MATERIALIZED (
    SELECT o.object_type, o.class_oid, o.object_oid, o.owner, ''::text AS column_name, a.grantor, a.grantee, a.privilege_type AS privilege,
        a.is_grantable
    FROM objects AS o
    CROSS JOIN LATERAL aclexplode(o.acl) AS a
    UNION ALL
    SELECT o.object_type, o.class_oid, o.object_oid, o.owner, c.attname::text, a.grantor, a.grantee, a.privilege_type, a.is_grantable
    FROM objects AS o
    CROSS JOIN LATERAL (
        SELECT c.attname, c.attacl
        FROM pg_catalog.pg_attribute AS c
        WHERE c.attrelid = o.object_oid AND c.attacl IS NOT NULL AND NOT c.attisdropped
        OFFSET 0
    ) AS c
    CROSS JOIN LATERAL aclexplode(sync_roles.unpacked(c.attacl)) AS a
    WHERE o.object_type = 'table'
),
-- What grantees have passed on, by their grant option.
passed_on AS MATERIALIZED (
    SELECT e.*
    FROM entries AS e
    WHERE e.grantor <> e.owner
),
-- Whoever has the grant option besides the owner: PostgreSQL may take us for that role when it looks for the grantor (select_best_grantor
-- in acl.c).
rivals AS MATERIALIZED (
    SELECT DISTINCT e.class_oid, e.object_oid, e.column_name, e.privilege
    FROM entries AS e
    WHERE e.is_grantable AND e.grantee NOT IN (0, e.owner) AND pg_has_role(e.grantee, 'USAGE')
),
-- Revoking a privilege on a table takes those on its columns along (the manual: REVOKE).
column_entries AS MATERIALIZED (
    SELECT e.class_oid, e.object_oid, e.privilege, e.grantor, e.grantee, array_agg(e.column_name ORDER BY e.column_name) AS columns,
        array_agg(e.is_grantable ORDER BY e.column_name) AS options
    FROM entries AS e
    WHERE e.column_name <> ''
    GROUP BY e.class_oid, e.object_oid, e.privilege, e.grantor, e.grantee
),
held AS MATERIALIZED (
    SELECT c.role_name, c.grantee, e.privilege, e.column_name, e.is_grantable, e.grantor, e.object_type, e.class_oid, e.object_oid,
        bool_and(c.reason IN ('other', 'forbidden')) AS other, bool_or(c.reason = 'forbidden') AS forbidden,
        bool_or(c.option AND e.is_grantable) AS option,
        -- What another row gave that was deleted before its time has not expired.
        coalesce(bool_and(c.expired) FILTER (WHERE c.reason = 'withdrawn'), false) AS expired,
        array_agg(DISTINCT c.transaction) FILTER (WHERE c.reason = 'withdrawn' AND NOT c.expired) AS transactions,
        bool_and(c.reason IN ('moved', 'other')) AND bool_or(c.reason = 'moved') AS moved,
        bool_or(c.reason = 'lost') AS lost
    FROM candidates AS c
    JOIN entries AS e
        ON e.class_oid = c.class_oid AND e.object_oid = c.object_oid AND e.object_type = c.object_type AND e.grantee = c.grantee
    WHERE c.privilege = '' OR e.privilege = c.privilege AND CASE
        WHEN :plain THEN e.column_name = c.column_name
        ELSE sync_roles.is_column(e.column_name, c.column_name, c.column_match)
    END
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
),
judged AS MATERIALIZED (
    SELECT h.*, o.schema_name, o.object_name, o.signature, o.owner
    FROM held AS h
    JOIN objects AS o USING (object_type, class_oid, object_oid)
    JOIN batch AS b ON b.grantee = h.grantee
    WHERE
        -- What an owner holds on its own objects is implied by owning them.
        h.grantee <> o.owner
        AND (NOT h.other OR h.forbidden OR (
            sync_roles.covers(b.revoke_other, h.object_type, h.privilege)
            AND NOT o.schema_name = ANY (b.preserved)
            -- What a pattern asks for that costs too much to compare is not known.
            AND NOT EXISTS (
                SELECT
                FROM sync_roles.costly_holdings AS k
                WHERE k.role_name = h.role_name AND k.object_type = h.object_type
                    AND sync_roles.in_schema(o.schema_name, k.schema_name, k.schema_match) AND k.privilege IN (h.privilege, 'ALL')
            )
        ))
),
-- What rows ask for on the tables below those that they name.
below AS MATERIALIZED (
    SELECT b.role_name, g.privilege, g.column_name, g.column_match, p.object_oid
    FROM batch AS b
    CROSS JOIN LATERAL (
        SELECT g.*
        FROM sync_roles.desired_holdings AS g
        WHERE NOT :plain AND g.role_name = b.role_name AND g.object_type = 'table' AND g.partitions
        OFFSET 0
    ) AS g
    CROSS JOIN LATERAL (
        SELECT p.object_oid
        FROM sync_roles.find_partitions(g.schema_name, g.schema_match, g.object_name, g.name_match) AS p
        OFFSET 0
    ) AS p
),
surplus AS MATERIALIZED (
    SELECT j.*, false AS option_only
    FROM judged AS j
    WHERE j.forbidden OR (
            SELECT true
            FROM sync_roles.desired_holdings AS g
            WHERE g.role_name = j.role_name AND g.object_type = j.object_type AND g.privilege = ANY (ARRAY[j.privilege, 'ALL'])
                AND sync_roles.in_schema(j.schema_name, g.schema_name, g.schema_match)
                AND g.object_name = ANY (ARRAY[j.object_name::text, j.signature])
                    AND g.name_match = 'exact'
                AND sync_roles.is_column(j.column_name, g.column_name, g.column_match) AND g.direct IS NOT FALSE
            LIMIT 1
        ) IS NULL
        AND (
            SELECT true
            FROM sync_roles.desired_holdings AS g
            WHERE g.role_name = j.role_name AND g.object_type = j.object_type AND g.privilege = ANY (ARRAY[j.privilege, 'ALL'])
                AND sync_roles.in_schema(j.schema_name, g.schema_name, g.schema_match) AND g.name_match <> 'exact'
                    AND sync_roles.name_matches(j.object_name, g.object_name, g.compared_as)
                AND sync_roles.is_column(j.column_name, g.column_name, g.column_match) AND g.direct IS NOT FALSE
            LIMIT 1
        ) IS NULL
        AND (:plain OR j.object_type <> 'table' OR NOT EXISTS (
            SELECT
            FROM below AS p
            WHERE p.role_name = j.role_name AND p.object_oid = j.object_oid AND p.privilege = ANY (ARRAY[j.privilege, 'ALL'])
                AND sync_roles.is_column(j.column_name, p.column_name, p.column_match)
        ))
    UNION ALL
    -- The privilege is desired, its grant option is not.
    SELECT j.*, true
    FROM judged AS j
    CROSS JOIN LATERAL (
        SELECT bool_or(g.grantable) AS grantable
        FROM (
            SELECT g.grantable
            FROM sync_roles.desired_holdings AS g
            WHERE g.role_name = j.role_name AND g.object_type = j.object_type AND g.privilege = ANY (ARRAY[j.privilege, 'ALL'])
                AND sync_roles.in_schema(j.schema_name, g.schema_name, g.schema_match)
                AND g.object_name = ANY (ARRAY[j.object_name::text, j.signature])
                    AND g.name_match = 'exact'
                AND sync_roles.is_column(j.column_name, g.column_name, g.column_match) AND g.direct IS NOT FALSE
            UNION ALL
            SELECT g.grantable
            FROM sync_roles.desired_holdings AS g
            WHERE g.role_name = j.role_name AND g.object_type = j.object_type AND g.privilege = ANY (ARRAY[j.privilege, 'ALL'])
                AND sync_roles.in_schema(j.schema_name, g.schema_name, g.schema_match) AND g.name_match <> 'exact'
                    AND sync_roles.name_matches(j.object_name, g.object_name, g.compared_as)
                AND sync_roles.is_column(j.column_name, g.column_name, g.column_match) AND g.direct IS NOT FALSE
        ) AS g
        WHERE j.option
        OFFSET 0
    ) AS g
    WHERE :options AND j.option AND NOT j.forbidden AND NOT g.grantable
)
SELECT s.role_name, s.privilege, s.column_name, s.grantor AS grantor_oid, s.object_type, s.class_oid, s.object_oid,
    s.schema_name::text, s.object_name::text, coalesce(s.signature, '') AS signature, s.owner AS owner_oid, s.other AS undeclared,
    (s.class_oid, s.object_oid, s.column_name, s.privilege) IN (SELECT r.class_oid, r.object_oid, r.column_name, r.privilege
        FROM rivals AS r) AS rival,
    '[]'::jsonb AS dependents, -- dependents.sql has them, where it was passed on
    -- Also to those who hold it otherwise as well: PostgreSQL takes nothing from a grantee on which other grants depend, unless by CASCADE.
    s.is_grantable AND (s.class_oid, s.object_oid, s.column_name, s.privilege, s.grantee) IN (
        SELECT p.class_oid, p.object_oid, p.column_name, p.privilege, p.grantor FROM passed_on AS p
    ) AS passed_on,
    s.schema_name <> '' AND NOT has_schema_privilege(s.schema_name::text, 'USAGE') AS no_usage,
    s.schema_name <> '' AND NOT has_schema_privilege(s.grantor, s.schema_name::text, 'USAGE') AS grantor_no_usage,
    s.option_only,
    -- Through an intermediate role, or on the object that bears the name now: nothing is lost.
    s.moved OR NOT s.forbidden AND ((
        SELECT true
        FROM sync_roles.matchable_grants AS g
        WHERE g.role_name = s.role_name AND g.object_type = s.object_type AND g.privilege = ANY (ARRAY[s.privilege, 'ALL'])
            AND sync_roles.in_schema(s.schema_name, coalesce(g.schema_name, ''), g.schema_match)
            AND g.object_name = ANY (ARRAY[s.object_name::text, s.signature])
                AND g.name_match = 'exact'
            AND sync_roles.is_column(s.column_name, coalesce(g.column_name, ''), g.column_match) AND NOT g.direct
        LIMIT 1
    ) IS NOT NULL OR (
        SELECT true
        FROM sync_roles.matchable_grants AS g
        WHERE g.role_name = s.role_name AND g.object_type = s.object_type AND g.privilege = ANY (ARRAY[s.privilege, 'ALL'])
            AND sync_roles.in_schema(s.schema_name, coalesce(g.schema_name, ''), g.schema_match) AND g.name_match <> 'exact'
                AND sync_roles.name_matches(s.object_name, g.object_name, g.compared_as)
            AND sync_roles.is_column(s.column_name, coalesce(g.column_name, ''), g.column_match) AND NOT g.direct
        LIMIT 1
    ) IS NOT NULL) AS still_desired,
    s.expired,
    coalesce(s.transactions, '{}') AS transactions,
    s.lost AS name_lost,
    coalesce(c.columns, '{}') AS columns,
    coalesce(c.options, '{}') AS column_options
FROM surplus AS s
LEFT JOIN column_entries AS c
    ON s.column_name = '' AND s.object_type = 'table' AND c.class_oid = s.class_oid AND c.object_oid = s.object_oid
        AND c.privilege = s.privilege
    AND c.grantor = s.grantor AND c.grantee = s.grantee;
