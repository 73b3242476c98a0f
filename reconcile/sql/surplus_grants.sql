-- What the roles of a batch hold on objects and should not: what rows gave that are gone, what rows gave on an object that
-- no longer bears their name, and what exclusive roles hold besides. One row for each privilege, object and grantor.
-- $1 text[]: names of roles, intermediate roles among them
-- $2 boolean: look for objects that were renamed, which costs a look at every name in use
WITH batch AS MATERIALIZED (
    SELECT r.oid AS grantee, r.rolname::text AS role_name,
        CASE WHEN i.role_oid IS NOT NULL THEN '{all}' ELSE coalesce(d.revoke_other, '{}') END AS revoke_other,
        coalesce(d.preserve_existing_grants_in_schemas, '{}') AS preserved
    FROM pg_catalog.pg_roles AS r
    LEFT JOIN sync_roles.desired_roles AS d ON d.role_name = r.rolname
    LEFT JOIN sync_roles.intermediate_roles AS i ON i.role_oid = r.oid
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
        coalesce(w.column_name, '') AS column_name, w.grantable, w.expired, w.transaction
    FROM sync_roles.matchable_withdrawn AS w
    JOIN batch AS b ON b.role_name = w.role_name
    CROSS JOIN LATERAL unnest(
        CASE WHEN w.privilege = 'ALL' THEN sync_roles.privileges_of(w.object_type) ELSE ARRAY[w.privilege] END
    ) AS p (privilege)
    WHERE w.role_name = ANY ($1) AND w.privilege NOT IN ('OWNER', 'MEMBER')
),
withdrawn_selectors AS (
    SELECT DISTINCT w.object_type, w.schema_name, w.object_name, w.name_match
    FROM withdrawn AS w
),
-- The objects that bear these names now, and those for which they last stood.
withdrawn_objects AS MATERIALIZED (
    SELECT s.object_type, s.schema_name, s.object_name, s.name_match, o.class_oid, o.object_oid
    FROM withdrawn_selectors AS s
    CROSS JOIN LATERAL (
        SELECT o.class_oid, o.object_oid, o.object_name, o.signature
        FROM sync_roles.objects AS o
        WHERE o.object_type = s.object_type AND o.schema_name = s.schema_name
            AND o.object_name = CASE WHEN s.object_type = 'routine' THEN split_part(s.object_name, '(', 1) ELSE s.object_name END
        OFFSET 0
    ) AS o
    WHERE s.name_match = 'exact'
        AND (s.object_type <> 'routine' OR s.object_name IN (o.object_name, o.signature))
    UNION
    SELECT s.object_type, s.schema_name, s.object_name, s.name_match, o.class_oid, o.object_oid
    FROM withdrawn_selectors AS s
    CROSS JOIN LATERAL (
        SELECT o.class_oid, o.object_oid
        FROM sync_roles.objects AS o
        WHERE o.object_type = s.object_type AND o.schema_name = s.schema_name
            AND sync_roles.name_matches(o.object_name, s.object_name, s.name_match)
        OFFSET 0
    ) AS o
    WHERE s.name_match <> 'exact'
    UNION
    SELECT s.object_type, s.schema_name, s.object_name, s.name_match, r.class_oid, r.object_oid
    FROM withdrawn_selectors AS s
    JOIN sync_roles.resolved_objects AS r
        ON r.object_type = s.object_type AND r.schema_name = s.schema_name AND r.object_name = s.object_name
    WHERE s.name_match = 'exact'
    UNION
    SELECT s.object_type, s.schema_name, s.object_name, s.name_match, r.class_oid, r.object_oid
    FROM withdrawn_selectors AS s
    JOIN sync_roles.resolved_objects AS r
        ON r.object_type = s.object_type AND r.schema_name = s.schema_name
        AND sync_roles.name_matches(r.object_name, s.object_name, s.name_match)
    WHERE s.name_match <> 'exact'
),
renamed AS (
    SELECT r.class_oid, r.object_oid, r.object_type, r.schema_name, r.object_name
    FROM sync_roles.resolved_objects AS r
    CROSS JOIN LATERAL (
        SELECT o.schema_name, o.object_name, o.signature
        FROM sync_roles.objects AS o
        WHERE o.object_type = r.object_type AND o.class_oid = r.class_oid AND o.object_oid = r.object_oid
        OFFSET 0
    ) AS o
    WHERE $2 AND (o.schema_name <> r.schema_name OR o.object_name <> r.object_name)
),
-- privilege '' stands for every privilege; with option, the grant option alone may be surplus
candidates AS (
    SELECT w.role_name, w.grantee, w.privilege, w.column_name, o.object_type, o.class_oid, o.object_oid, 'withdrawn' AS reason, w.grantable AS option, w.expired, w.transaction
    FROM withdrawn AS w
    JOIN withdrawn_objects AS o USING (object_type, schema_name, object_name, name_match)
    UNION
    SELECT b.role_name, b.grantee, p.privilege, coalesce(g.column_name, ''), r.object_type, r.class_oid, r.object_oid, 'renamed', false, false, 0
    FROM renamed AS r
    JOIN sync_roles.matchable_grants AS g
        ON g.object_type = r.object_type AND coalesce(g.schema_name, '') = r.schema_name
        AND sync_roles.name_matches(r.object_name, g.object_name, g.name_match)
    JOIN batch AS b ON b.role_name = g.role_name
    CROSS JOIN LATERAL unnest(
        CASE WHEN g.privilege = 'ALL' THEN sync_roles.privileges_of(g.object_type) ELSE ARRAY[g.privilege] END
    ) AS p (privilege)
    WHERE g.privilege NOT IN ('OWNER', 'MEMBER')
    UNION
    SELECT b.role_name, b.grantee, '', '', o.object_type, d.classid, d.objid, 'other', true, false, 0
    FROM batch AS b
    JOIN pg_catalog.pg_shdepend AS d
        ON d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = b.grantee AND d.deptype = 'a'
        AND d.dbid IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
    CROSS JOIN LATERAL (
        SELECT o.object_type
        FROM sync_roles.objects AS o
        WHERE o.class_oid = d.classid AND o.object_oid = d.objid
        OFFSET 0
    ) AS o
    WHERE b.revoke_other <> '{}'
        AND (d.dbid <> 0 OR o.object_type <> 'database' OR d.objid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
    UNION
    -- pg_shdepend does not know PUBLIC.
    SELECT b.role_name, b.grantee, '', '', o.object_type, o.class_oid, o.object_oid, 'other', true, false, 0
    FROM batch AS b
    CROSS JOIN sync_roles.objects AS o
    WHERE b.grantee = 0 AND b.revoke_other <> '{}'
        AND (o.object_type <> 'database' OR o.object_name = current_database())
),
-- Each ACL is taken apart once, however many roles it is asked about.
objects AS MATERIALIZED (
    SELECT c.object_type, c.class_oid, c.object_oid, o.schema_name, o.object_name, o.signature, o.owner, o.acl
    FROM (SELECT DISTINCT object_type, class_oid, object_oid FROM candidates) AS c
    CROSS JOIN LATERAL (
        SELECT o.*
        FROM sync_roles.objects AS o
        WHERE o.object_type = c.object_type AND o.class_oid = c.class_oid AND o.object_oid = c.object_oid
        OFFSET 0
    ) AS o
),
entries AS MATERIALIZED (
    SELECT o.object_type, o.class_oid, o.object_oid, ''::name AS column_name, a.grantor, a.grantee, a.privilege_type AS privilege, a.is_grantable
    FROM objects AS o
    CROSS JOIN LATERAL aclexplode(o.acl) AS a
    UNION ALL
    SELECT o.object_type, o.class_oid, o.object_oid, c.attname, a.grantor, a.grantee, a.privilege_type, a.is_grantable
    FROM objects AS o
    JOIN pg_catalog.pg_attribute AS c ON c.attrelid = o.object_oid AND c.attacl IS NOT NULL AND NOT c.attisdropped
    CROSS JOIN LATERAL aclexplode(sync_roles.unpacked(c.attacl)) AS a
    WHERE o.object_type = 'table'
),
held AS (
    SELECT c.role_name, c.grantee, e.privilege, e.column_name::text, e.is_grantable, e.grantor, e.object_type, e.class_oid, e.object_oid,
        bool_and(c.reason = 'other') AS other, bool_or(c.option AND e.is_grantable) AS option,
        -- What another row gave that was deleted before its time has not expired.
        coalesce(bool_and(c.expired) FILTER (WHERE c.reason = 'withdrawn'), false) AS expired,
        array_agg(DISTINCT c.transaction) FILTER (WHERE c.reason = 'withdrawn' AND NOT c.expired) AS transactions,
        bool_and(c.reason = 'renamed') AS moved
    FROM candidates AS c
    JOIN entries AS e
        ON e.class_oid = c.class_oid AND e.object_oid = c.object_oid AND e.object_type = c.object_type AND e.grantee = c.grantee
    WHERE c.privilege = '' OR e.privilege = c.privilege AND e.column_name = c.column_name
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
        AND (NOT h.other OR (
            (
                'all' = ANY (b.revoke_other)
                OR CASE WHEN h.object_type IN ('foreign_data_wrapper', 'foreign_server', 'database', 'schema', 'table', 'sequence', 'routine', 'type', 'language', 'tablespace', 'parameter', 'large_object')
                    THEN h.object_type || 's' END = ANY (b.revoke_other)
                OR h.object_type = 'table' AND h.privilege = 'SELECT' AND 'table_selects' = ANY (b.revoke_other)
                OR h.object_type = 'schema' AND h.privilege = 'USAGE' AND 'schema_usage' = ANY (b.revoke_other)
            )
            AND NOT o.schema_name = ANY (b.preserved)
            -- What a pattern asks for that costs too much to compare is not known.
            AND NOT EXISTS (
                SELECT
                FROM sync_roles.costly_holdings AS k
                WHERE k.role_name = h.role_name AND k.object_type = h.object_type AND k.schema_name = o.schema_name AND k.privilege IN (h.privilege, 'ALL')
            )
        ))
),
surplus AS (
    SELECT j.*, false AS option_only
    FROM judged AS j
    WHERE NOT EXISTS (
            SELECT
            FROM sync_roles.desired_holdings AS g
            WHERE g.role_name = j.role_name AND g.object_type = j.object_type AND g.privilege = ANY (ARRAY[j.privilege, 'ALL'])
                AND g.schema_name = j.schema_name AND g.object_name = ANY (ARRAY[j.object_name::text, j.signature]) AND g.name_match = 'exact'
                AND g.column_name = j.column_name AND g.direct IS NOT FALSE
        )
        AND NOT EXISTS (
            SELECT
            FROM sync_roles.desired_holdings AS g
            WHERE g.role_name = j.role_name AND g.object_type = j.object_type AND g.privilege = ANY (ARRAY[j.privilege, 'ALL'])
                AND g.schema_name = j.schema_name AND g.name_match <> 'exact' AND sync_roles.name_matches(j.object_name, g.object_name, g.name_match)
                AND g.column_name = j.column_name AND g.direct IS NOT FALSE
        )
    UNION ALL
    -- The privilege is desired, its grant option is not.
    SELECT j.*, true
    FROM judged AS j
    CROSS JOIN LATERAL (
        SELECT bool_or(g.grantable) AS grantable
        FROM sync_roles.desired_holdings AS g
        WHERE g.role_name = j.role_name AND g.object_type = j.object_type AND g.privilege = ANY (ARRAY[j.privilege, 'ALL'])
            AND g.schema_name = j.schema_name AND (g.object_name = j.signature OR sync_roles.name_matches(j.object_name, g.object_name, g.name_match))
            AND g.column_name = j.column_name AND g.direct IS NOT FALSE
    ) AS g
    WHERE j.option AND NOT g.grantable
)
SELECT s.role_name, s.grantee AS grantee_oid, s.privilege, s.column_name, s.is_grantable AS grantable, s.grantor AS grantor_oid, s.object_type, s.class_oid, s.object_oid,
    s.schema_name::text, s.object_name::text, coalesce(s.signature, '') AS signature, s.owner AS owner_oid, s.other,
    -- Whoever has the grant option besides the owner: PostgreSQL may take us for that role when it looks for the grantor (select_best_grantor in acl.c).
    EXISTS (
        SELECT
        FROM entries AS e
        WHERE e.class_oid = s.class_oid AND e.object_oid = s.object_oid AND e.column_name = s.column_name AND e.privilege = s.privilege
            AND e.is_grantable AND e.grantee NOT IN (0, s.owner) AND pg_has_role(e.grantee, 'USAGE')
    ) AS rival_option,
    -- Who holds it from this grantee: PostgreSQL does not revoke under them.
    CASE WHEN s.is_grantable THEN coalesce((
        SELECT string_agg(DISTINCT coalesce(r.rolname::text, 'PUBLIC'), ', ')
        FROM entries AS e
        LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = e.grantee
        WHERE e.class_oid = s.class_oid AND e.object_oid = s.object_oid AND e.column_name = s.column_name AND e.privilege = s.privilege
            AND e.grantor = s.grantee
    ), '') ELSE '' END AS dependents,
    s.schema_name <> '' AND NOT has_schema_privilege(s.schema_name::text, 'USAGE') AS no_usage,
    s.schema_name <> '' AND NOT has_schema_privilege(s.grantor, s.schema_name::text, 'USAGE') AS grantor_no_usage,
    s.option_only,
    -- Through an intermediate role, or on the object that bears the name now: nothing is lost.
    s.moved OR EXISTS (
        SELECT
        FROM sync_roles.matchable_grants AS g
        WHERE g.role_name = s.role_name AND g.object_type = s.object_type AND g.privilege IN (s.privilege, 'ALL')
            AND coalesce(g.schema_name, '') = s.schema_name AND g.object_name = ANY (ARRAY[s.object_name::text, s.signature]) AND g.name_match = 'exact'
            AND coalesce(g.column_name, '') = s.column_name AND NOT g.direct
    ) OR EXISTS (
        SELECT
        FROM sync_roles.matchable_grants AS g
        WHERE g.role_name = s.role_name AND g.object_type = s.object_type AND g.privilege IN (s.privilege, 'ALL')
            AND coalesce(g.schema_name, '') = s.schema_name AND g.name_match <> 'exact' AND sync_roles.name_matches(s.object_name, g.object_name, g.name_match)
            AND coalesce(g.column_name, '') = s.column_name AND NOT g.direct
    ) AS still_asked,
    s.expired,
    coalesce(s.transactions, '{}') AS transactions
FROM surplus AS s;
