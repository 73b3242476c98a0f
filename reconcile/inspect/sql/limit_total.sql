-- How much all managed roles hold through rows, counted as in audit: one for each privilege on an object, membership or ownership. Rows of
-- which the object does not exist hold nothing.
-- $1 boolean: also rows with a pattern
WITH asked AS MATERIALIZED (
    SELECT g.privilege, g.object_type, coalesce(g.schema_name, '') AS schema_name, g.object_name, g.name_match, g.schema_match, g.selector,
        CASE WHEN g.privilege = 'ALL' THEN cardinality(sync_roles.privileges_of(g.object_type)) ELSE 1 END AS privileges,
        count(*) FILTER (WHERE g.direct) AS direct_rows, count(*) AS all_rows
    FROM sync_roles.all_matchable_grants AS g
    WHERE $1 OR g.name_match = 'exact' AND g.schema_match = 'exact'
    GROUP BY g.privilege, g.object_type, g.schema_name, g.object_name, g.name_match, g.schema_match, g.selector
),
names AS MATERIALIZED (
    SELECT o.object_type, o.schema_name::text AS schema_name, o.object_name::text AS object_name, count(*) AS objects
    FROM sync_roles.objects AS o
    GROUP BY 1, 2, 3
)
SELECT coalesce(sum(
    CASE
        WHEN a.privilege IN ('MEMBER', 'OWNER') THEN a.all_rows * found.objects
        -- One membership for each role, whatever it holds.
        WHEN i.role_name IS NOT NULL THEN a.all_rows - a.direct_rows + a.direct_rows * a.privileges * found.objects
        ELSE a.all_rows * a.privileges * found.objects
    END
), 0)::bigint
FROM asked AS a
LEFT JOIN sync_roles.intermediate_roles AS i USING (selector)
LEFT JOIN names AS e
    ON a.name_match = 'exact' AND a.schema_match = 'exact' AND e.object_type = a.object_type AND e.schema_name = a.schema_name
    AND e.object_name = sync_roles.own_name(a.object_type, a.object_name)
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN a.name_match <> 'exact' OR a.schema_match <> 'exact' THEN (
            SELECT coalesce(sum(n.objects), 0)
            FROM names AS n
            WHERE n.object_type = a.object_type AND sync_roles.in_schema(n.schema_name, a.schema_name, a.schema_match)
                AND sync_roles.name_matches(n.object_name, a.object_name, a.name_match)
        )
        WHEN e.objects IS NULL THEN 0
        WHEN a.object_name LIKE '%(%' THEN 1
        ELSE e.objects
    END AS objects
) AS found;
