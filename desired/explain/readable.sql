-- The tables of this name, and of each the columns that a role may read.
-- $1 text: the role; public is PUBLIC
-- $2 text: the schema; NULL: any
-- $3 text: the table
SELECT n.nspname::text AS schema, c.relname::text AS name,
    ARRAY(
        SELECT a.attname::text
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND has_column_privilege($1::name, c.oid, a.attnum, 'SELECT')
        ORDER BY a.attnum
    ) AS columns
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname = $3 AND ($2::text IS NULL OR n.nspname = $2)
    AND n.nspname <> 'information_schema' AND NOT starts_with(n.nspname, 'pg_')
ORDER BY 1;
