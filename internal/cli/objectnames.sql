/*
 * Objects by the names that explain and who take, [type:][schema.]name, quoted as in SQL: those that begin like a text, for the shell to
 * complete.
 *
 * $1 text     how the name begins, with its type
 * $2 boolean  whether $1 names a type; tables are meant where it does not
 * $3 bigint   how many at most
 */
WITH objects AS (
    SELECT t.prefix || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN (VALUES (CASE WHEN $2 THEN 'table:' ELSE '' END, false), ('sequence:', true)) AS t (prefix, sequences)
    WHERE (c.relkind = 'S') = t.sequences
        AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        AND ($2 OR NOT t.sequences)
    UNION ALL
    SELECT 'routine:' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(p.proname)
        || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')'
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE $2
    UNION ALL
    SELECT 'property_graph:' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE $2 AND c.relkind = 'g'
    UNION ALL
    SELECT 'schema:' || pg_catalog.quote_ident(n.nspname)
    FROM pg_catalog.pg_namespace AS n
    WHERE $2
    UNION ALL
    SELECT 'database:' || pg_catalog.quote_ident(d.datname)
    FROM pg_catalog.pg_database AS d
    WHERE $2
    UNION ALL
    SELECT 'type:' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.typname)
    FROM pg_catalog.pg_type AS t
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
    WHERE $2 AND t.typtype IN ('d', 'e', 'r')
    UNION ALL
    SELECT 'language:' || pg_catalog.quote_ident(l.lanname)
    FROM pg_catalog.pg_language AS l
    WHERE $2
    UNION ALL
    SELECT 'tablespace:' || pg_catalog.quote_ident(s.spcname)
    FROM pg_catalog.pg_tablespace AS s
    WHERE $2
    UNION ALL
    SELECT 'foreign_data_wrapper:' || pg_catalog.quote_ident(w.fdwname)
    FROM pg_catalog.pg_foreign_data_wrapper AS w
    WHERE $2
    UNION ALL
    SELECT 'foreign_server:' || pg_catalog.quote_ident(s.srvname)
    FROM pg_catalog.pg_foreign_server AS s
    WHERE $2
    UNION ALL
    SELECT 'role:' || pg_catalog.quote_ident(r.rolname)
    FROM pg_catalog.pg_roles AS r
    WHERE $2
)
SELECT o.name
FROM objects AS o
WHERE pg_catalog.starts_with(o.name, $1)
    AND o.name !~ '^([a-z_]+:)?(pg_catalog|information_schema|pg_toast|pg_temp|sync_roles)'
ORDER BY o.name
LIMIT $3
