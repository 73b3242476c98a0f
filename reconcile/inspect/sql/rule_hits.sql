-- What the rules of sync_roles.forbidden say of privileges that a plan gives: on the object itself, and on what its code reads or writes.
-- $1 oid[], $2 oid[], $3 text[], $4 text[]: catalogs, objects, privileges and columns ('': the object)
WITH changes AS MATERIALIZED (
    SELECT c.n, c.class_oid, c.object_oid, c.privilege, c.column_name
    FROM unnest($1::oid[], $2::oid[], $3::text[], $4::text[]) WITH ORDINALITY AS c (class_oid, object_oid, privilege, column_name, n)
),
targets AS MATERIALIZED (
    SELECT o.*
    FROM sync_roles.rule_objects AS o
),
-- Only views, relations with rules, and functions with their owner's rights do something with other objects.
code AS MATERIALIZED (
    SELECT c.n, c.class_oid, c.object_oid, c.privilege, ARRAY[coalesce(a.attnum, 0)]::smallint[] AS columns
    FROM changes AS c
    LEFT JOIN pg_catalog.pg_attribute AS a ON c.column_name <> '' AND a.attrelid = c.object_oid AND a.attname = c.column_name
    WHERE EXISTS (
            SELECT FROM pg_catalog.pg_class AS r
            WHERE c.class_oid = 'pg_catalog.pg_class'::regclass AND r.oid = c.object_oid AND r.relhasrules
        )
        OR EXISTS (
            SELECT FROM pg_catalog.pg_proc AS p
            WHERE c.class_oid = 'pg_catalog.pg_proc'::regclass AND p.oid = c.object_oid AND p.prosecdef
        )
)
SELECT c.n, t.forbidden_id, t.part, CASE c.privilege WHEN 'OWNER' THEN 0 ELSE coalesce(t.owner, 0) END AS owner,
    format('%s on %s %s', c.privilege, t.object_type, sync_roles.display_name(t.schema_name, t.object_name, t.signature)) AS text,
    c.privilege = 'OWNER' AS literal
FROM changes AS c
JOIN targets AS t ON t.class_oid = c.class_oid AND t.object_oid = c.object_oid AND c.privilege = ANY (t.privileges)
    AND (t.column_name IS NULL OR c.column_name IN ('', t.column_name))
UNION
SELECT c.n, t.forbidden_id, t.part, coalesce(t.owner, 0),
    format('%s on %s %s, through %s', (n.need).privilege, t.object_type,
        sync_roles.display_name(t.schema_name, t.object_name, t.signature),
        sync_roles.code_text(c.class_oid, c.object_oid, c.privilege)),
    false
FROM code AS c
CROSS JOIN LATERAL (
    SELECT w::sync_roles.need AS need FROM sync_roles.needs(c.class_oid, c.object_oid, c.privilege, c.columns) AS w OFFSET 0
) AS n
JOIN targets AS t
    ON t.class_oid = (n.need).class_oid AND t.object_oid = (n.need).object_oid AND (n.need).privilege = ANY (t.privileges)
LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.object_oid AND a.attname = t.column_name
WHERE (n.need).as_user <> 0 AND NOT (n.need).by_caller AND (n.need).policy_oid = 0 AND sync_roles.is_met((n.need).as_user, n.need)
    -- A view locks rows, and does not update them.
    AND NOT ((n.need).privilege = 'UPDATE' AND c.privilege = 'SELECT')
    AND CASE
        WHEN (n.need).privilege = 'DELETE' THEN true
        WHEN t.column_name IS NULL THEN EXISTS (
            SELECT FROM unnest((n.need).columns) AS x (number) WHERE x.number <> ALL ((n.need).unsure)
        )
        ELSE (0 = ANY ((n.need).columns) OR a.attnum = ANY ((n.need).columns)) AND a.attnum <> ALL ((n.need).unsure)
    END;
