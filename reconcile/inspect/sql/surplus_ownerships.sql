-- What the roles of a batch own and should not: what OWNER rows gave that are gone, and what exclusive roles own besides.
-- An object that another role should own is left to that role's own row. It runs with enable_nestloop = off, as surplus_grants.sql does.
-- $1 text[]: names of roles, intermediate roles among them
-- :plain boolean: all rows are plain (sync_roles.is_plain); which views are read depends on it
-- :renamed boolean: look for objects that were renamed
WITH batch AS MATERIALIZED (
    SELECT r.oid AS owner_oid, r.rolname::text AS role_name,
        -- Before 16 any member can SET ROLE to an intermediate role, and create objects as it.
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
),
-- What OWNER rows gave that are gone; and, looking for renamed objects, those that are not: an object that bears its name is safe below.
withdrawn AS MATERIALIZED (
    SELECT w.role_name, w.object_type, coalesce(w.schema_name, '') AS schema_name, w.object_name, w.name_match, w.schema_match,
        w.expired, w.transaction, sync_roles.own_name(w.object_type, w.object_name) AS own_name
    FROM batch AS b
    CROSS JOIN LATERAL (
        SELECT w.role_name, w.object_type, w.schema_name, w.object_name, w.name_match, w.schema_match, w.expired, w.transaction
        FROM sync_roles.matchable_withdrawn AS w
        WHERE w.role_name = b.role_name AND w.privilege = 'OWNER'
        UNION ALL
        SELECT g.role_name, g.object_type, g.schema_name, g.object_name, g.name_match, g.schema_match, NULL, NULL
        FROM sync_roles.matchable_grants AS g
        WHERE :renamed AND g.role_name = b.role_name AND g.privilege = 'OWNER'
        OFFSET 0
    ) AS w
),
owned AS MATERIALIZED (
    SELECT b.role_name, b.revoke_other, b.preserved, o.object_type, o.class_oid, o.object_oid, o.schema_name::text AS schema_name,
        o.object_name::text AS object_name, coalesce(o.signature, '') AS signature, o.owner
    FROM batch AS b
    CROSS JOIN LATERAL (
        SELECT o.*
        FROM pg_catalog.pg_shdepend AS d
        CROSS JOIN LATERAL (
            SELECT o.*
            FROM sync_roles.objects AS o
            WHERE o.class_oid = d.classid AND o.object_oid = d.objid
            OFFSET 0
        ) AS o
        WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = b.owner_oid AND d.deptype = 'o'
            -- coalesce: in a large database, its own index of pg_shdepend would be read from end to end.
            AND coalesce(d.dbid) IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
        OFFSET 0
    ) AS o
    WHERE b.revoke_other && '{all,ownerships}' OR b.role_name IN (SELECT w.role_name FROM withdrawn AS w)
),
-- Under which names the owned objects were known, and whether others bear these now: by the whole signature, and by the name alone.
remembered AS MATERIALIZED (
    SELECT o.role_name, o.object_type, o.class_oid, o.object_oid, r.schema_name, r.object_name, r.signature, n.same_signature, n.borne
    FROM owned AS o
    CROSS JOIN LATERAL (
        SELECT r.*
        FROM sync_roles.resolved_objects AS r
        WHERE r.class_oid = o.class_oid AND r.object_oid = o.object_oid AND r.object_type = o.object_type AND r.column_number = 0
        OFFSET 0
    ) AS r
    CROSS JOIN LATERAL (
        SELECT coalesce(bool_or(coalesce(n.signature, '') = r.signature), false) AS same_signature, count(*) > 0 AS borne
        FROM sync_roles.objects AS n
        WHERE n.object_type = r.object_type AND n.schema_name = r.schema_name AND n.object_name = r.object_name
            AND n.object_oid <> o.object_oid
        OFFSET 0
    ) AS n
    WHERE o.role_name IN (SELECT w.role_name FROM withdrawn AS w)
),
-- The rows that gave each, and whether another object bears the name by now.
given AS MATERIALIZED (
    SELECT o.class_oid, o.object_oid, w.expired, w.transaction, false AS succeeded
    FROM owned AS o
    JOIN withdrawn AS w ON w.role_name = o.role_name AND w.object_type = o.object_type AND w.own_name = o.object_name
        AND CASE WHEN :plain THEN w.schema_name = o.schema_name ELSE sync_roles.in_schema(o.schema_name, w.schema_name, w.schema_match) END
    WHERE w.name_match = 'exact' AND sync_roles.means(w.object_name, w.name_match, o.object_name, o.signature)
    UNION ALL
    SELECT o.class_oid, o.object_oid, w.expired, w.transaction, false
    FROM owned AS o
    JOIN withdrawn AS w ON w.role_name = o.role_name AND w.object_type = o.object_type
        AND CASE WHEN :plain THEN w.schema_name = o.schema_name ELSE sync_roles.in_schema(o.schema_name, w.schema_name, w.schema_match) END
    WHERE w.name_match <> 'exact' AND sync_roles.means(w.object_name, w.name_match, o.object_name, o.signature)
    UNION ALL
    SELECT r.class_oid, r.object_oid, w.expired, w.transaction, CASE WHEN w.object_name LIKE '%)' THEN r.same_signature ELSE r.borne END
    FROM remembered AS r
    JOIN withdrawn AS w ON w.role_name = r.role_name AND w.object_type = r.object_type AND w.own_name = r.object_name
        AND CASE WHEN :plain THEN w.schema_name = r.schema_name ELSE sync_roles.in_schema(r.schema_name, w.schema_name, w.schema_match) END
    WHERE w.name_match = 'exact' AND sync_roles.means(w.object_name, w.name_match, r.object_name, r.signature)
    UNION ALL
    SELECT r.class_oid, r.object_oid, w.expired, w.transaction, r.borne
    FROM remembered AS r
    JOIN withdrawn AS w ON w.role_name = r.role_name AND w.object_type = r.object_type
        AND CASE WHEN :plain THEN w.schema_name = r.schema_name ELSE sync_roles.in_schema(r.schema_name, w.schema_name, w.schema_match) END
    WHERE w.name_match <> 'exact' AND sync_roles.means(w.object_name, w.name_match, r.object_name, r.signature)
),
reasons AS MATERIALIZED (
    SELECT g.class_oid, g.object_oid,
        -- What another row gave that was deleted before its time has not expired.
        coalesce(bool_and(g.expired), false) AS expired,
        coalesce(array_agg(DISTINCT g.transaction) FILTER (WHERE NOT g.expired), '{}') AS transactions,
        -- The row is there, and its name stands for another object: nothing is lost.
        bool_and(g.transaction IS NULL) AND bool_or(g.succeeded) AS moved
    FROM given AS g
    GROUP BY g.class_oid, g.object_oid
)
SELECT o.role_name, o.object_type, o.class_oid, o.object_oid, o.schema_name, o.object_name, o.signature, o.owner AS owner_oid,
    coalesce(r.expired, false) AS expired,
    coalesce(r.transactions, '{}') AS transactions,
    coalesce(r.moved, false) AS moved
FROM owned AS o
LEFT JOIN reasons AS r USING (class_oid, object_oid)
WHERE (
        r.class_oid IS NOT NULL
        OR o.revoke_other && '{all,ownerships}'
        AND NOT o.schema_name = ANY (o.preserved)
        -- What a pattern asks for that costs too much to compare is not known.
        AND NOT EXISTS (
            SELECT
            FROM sync_roles.costly_holdings AS k
            WHERE k.role_name = o.role_name AND k.privilege = 'OWNER' AND k.object_type = o.object_type
                AND sync_roles.in_schema(o.schema_name, k.schema_name, k.schema_match)
        )
        AND (o.object_type <> 'database' OR o.object_name = current_database())
        -- A sequence that belongs to a column follows its table.
        AND NOT (o.object_type = 'sequence' AND sync_roles.follows_table(o.class_oid, o.object_oid))
    )
    AND (
        SELECT true
        FROM sync_roles.matchable_grants AS g
        WHERE g.privilege = 'OWNER' AND g.object_type = o.object_type AND g.object_name = ANY (ARRAY[o.object_name, o.signature])
            AND g.name_match = 'exact'
            AND sync_roles.in_schema(o.schema_name, coalesce(g.schema_name, ''), g.schema_match)
        LIMIT 1
    ) IS NULL
    AND (
        SELECT true
        FROM sync_roles.matchable_grants AS g
        WHERE g.privilege = 'OWNER' AND g.object_type = o.object_type AND g.name_match <> 'exact'
            AND sync_roles.in_schema(o.schema_name, coalesce(g.schema_name, ''), g.schema_match)
            AND sync_roles.name_matches(o.object_name, g.object_name, g.compared_as)
        LIMIT 1
    ) IS NULL;
