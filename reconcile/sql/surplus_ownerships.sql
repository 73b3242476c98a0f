-- What the roles of a batch own and should not: what OWNER rows gave that are gone, and what exclusive roles own besides.
-- An object that another role should own is left to that role's own row.
-- $1 text[]: names of roles, intermediate roles among them
-- $2 boolean: look for objects that were renamed
WITH batch AS MATERIALIZED (
    SELECT r.oid AS owner_oid, r.rolname::text AS role_name,
        -- Before 16 any member can SET ROLE to an intermediate role, and create objects as it.
        CASE WHEN i.role_oid IS NOT NULL THEN '{all}' ELSE coalesce(d.revoke_other, '{}') END AS revoke_other,
        coalesce(d.preserve_existing_grants_in_schemas, '{}') AS preserved
    FROM pg_catalog.pg_roles AS r
    LEFT JOIN sync_roles.desired_roles AS d ON d.role_name = r.rolname
    LEFT JOIN sync_roles.intermediate_roles AS i ON i.role_oid = r.oid
    WHERE r.rolname = ANY ($1)
),
-- What OWNER rows gave that are gone; and, looking for renamed objects, those that are not: an object that bears its name is safe below.
withdrawn AS MATERIALIZED (
    SELECT w.role_name, w.object_type, coalesce(w.schema_name, '') AS schema_name, w.object_name, w.name_match, w.expired, w.transaction
    FROM sync_roles.matchable_withdrawn AS w
    WHERE w.role_name = ANY ($1) AND w.privilege = 'OWNER'
    UNION ALL
    SELECT g.role_name, g.object_type, coalesce(g.schema_name, ''), g.object_name, g.name_match, NULL, NULL
    FROM sync_roles.matchable_grants AS g
    WHERE $2 AND g.role_name = ANY ($1) AND g.privilege = 'OWNER'
),
suspects AS (
    SELECT b.owner_oid, b.role_name, d.classid AS class_oid, d.objid AS object_oid, b.revoke_other, b.preserved
    FROM batch AS b
    JOIN pg_catalog.pg_shdepend AS d
        ON d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = b.owner_oid AND d.deptype = 'o'
        AND d.dbid IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
    WHERE b.revoke_other && '{all,ownerships}' OR EXISTS (SELECT FROM withdrawn AS w WHERE w.role_name = b.role_name)
)
SELECT s.role_name, o.object_type, o.class_oid, o.object_oid, o.schema_name::text, o.object_name::text, coalesce(o.signature, '') AS signature, o.owner AS owner_oid,
    coalesce(e.expired, false) AS expired,
    coalesce(e.transactions, '{}') AS transactions
FROM suspects AS s
CROSS JOIN LATERAL (
    SELECT o.*
    FROM sync_roles.objects AS o
    WHERE o.class_oid = s.class_oid AND o.object_oid = s.object_oid
    OFFSET 0
) AS o
-- The rows that are gone and gave it: what another row gave that was deleted before its time has not expired.
CROSS JOIN LATERAL (
    SELECT bool_and(w.expired) AS expired, array_agg(DISTINCT w.transaction) FILTER (WHERE NOT w.expired) AS transactions
    FROM withdrawn AS w
    WHERE w.transaction IS NOT NULL AND w.role_name = s.role_name AND w.object_type = o.object_type
        AND (
            w.schema_name = o.schema_name AND (sync_roles.name_matches(o.object_name, w.object_name, w.name_match) OR w.object_name = o.signature)
            OR EXISTS (
                SELECT
                FROM sync_roles.resolved_objects AS r
                WHERE r.class_oid = o.class_oid AND r.object_oid = o.object_oid AND r.schema_name = w.schema_name
                    AND sync_roles.name_matches(r.object_name, w.object_name, w.name_match)
            )
        )
) AS e
WHERE (
        s.revoke_other && '{all,ownerships}'
        AND NOT o.schema_name = ANY (s.preserved)
        -- What a pattern asks for that costs too much to compare is not known.
        AND NOT EXISTS (
            SELECT
            FROM sync_roles.costly_holdings AS k
            WHERE k.role_name = s.role_name AND k.privilege = 'OWNER' AND k.object_type = o.object_type AND k.schema_name = o.schema_name
        )
        AND (o.object_type <> 'database' OR o.object_name = current_database())
        -- A sequence that belongs to a column follows its table.
        AND NOT (o.object_type = 'sequence' AND EXISTS (
            SELECT
            FROM pg_catalog.pg_depend AS d
            WHERE d.classid = o.class_oid AND d.objid = o.object_oid AND d.deptype IN ('a', 'i') AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjsubid > 0
        ))
        OR EXISTS (
            SELECT
            FROM withdrawn AS w
            WHERE w.role_name = s.role_name AND w.object_type = o.object_type AND w.schema_name = o.schema_name
                AND (sync_roles.name_matches(o.object_name, w.object_name, w.name_match) OR w.object_name = o.signature)
        )
        OR EXISTS (
            SELECT
            FROM withdrawn AS w
            JOIN sync_roles.resolved_objects AS r
                ON r.class_oid = o.class_oid AND r.object_oid = o.object_oid AND r.object_type = w.object_type AND r.schema_name = w.schema_name
                AND sync_roles.name_matches(r.object_name, w.object_name, w.name_match)
            WHERE w.role_name = s.role_name
        )
    )
    AND NOT EXISTS (
        SELECT
        FROM sync_roles.matchable_grants AS g
        WHERE g.privilege = 'OWNER' AND g.object_type = o.object_type AND coalesce(g.schema_name, '') = o.schema_name
            AND (sync_roles.name_matches(o.object_name, g.object_name, g.name_match) OR g.object_name = o.signature)
    );
