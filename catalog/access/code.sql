-- The code through which roles have privileges on objects.
-- $1 oid[]: the objects; NULL: all
-- $2 oid[]: only what these (0: PUBLIC) have; NULL: all
-- Without objects, everything possible through the same function is one row.
WITH code AS (
    SELECT $1::oid[] IS NULL AND h.possible AND (starts_with(h.through, 'function ') OR starts_with(h.through, 'trigger ')) AS is_all,
        h.class_oid, h.object_oid, h.privilege, h.column_name, h.holder_oid, h.through, h.possible, h.code_class_oid, h.code_oid,
        h.code_privilege
    FROM sync_roles.holders AS h
    WHERE h.through IS NOT NULL
        AND ($1::oid[] IS NULL OR h.object_oid = ANY ($1))
        AND ($2::oid[] IS NULL OR h.holder_oid = ANY ($2))
    UNION ALL
    -- A security_invoker view, by which who has no USAGE on the schema comes to what it may read.
    SELECT false, o.class_oid, o.object_oid, h.privilege, h.column_name, h.holder_oid, h.through, h.possible, h.code_class_oid, h.code_oid,
        h.code_privilege
    FROM sync_roles.objects AS o
    CROSS JOIN LATERAL sync_roles.holders_by_code(o.class_oid, o.object_oid) AS h
    WHERE o.object_oid = ANY ($1) AND o.object_type = 'table' AND h.by_caller
)
SELECT k.class_oid, k.object_oid, k.privilege, coalesce(k.column_name, '') AS column_name, k.objects, k.holder_oid,
    coalesce(r.rolname::text, 'public') AS holder, k.through, k.possible, k.code_class_oid, k.code_oid, k.code_privilege
FROM (
    SELECT c.*, 1::bigint AS objects
    FROM code AS c
    WHERE NOT c.is_all
    UNION ALL
    SELECT true, 0, 0, '', '', c.holder_oid, c.through, true, c.code_class_oid, c.code_oid, c.code_privilege,
        count(DISTINCT (c.class_oid, c.object_oid))
    FROM code AS c
    WHERE c.is_all
    GROUP BY 6, 7, 9, 10, 11
) AS k
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = k.holder_oid
ORDER BY k.object_oid, k.possible, k.through COLLATE "C", k.privilege, k.column_name, holder;
