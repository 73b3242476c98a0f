/*
 * The databases of the server that match one of the patterns: those of which sessions are allowed, but templates.
 *
 * $1 text[]  patterns, as LIKE has them
 *
 * pg_database is the same in every database of the cluster. datconnlimit is -2 where DROP DATABASE was interrupted (catalog/pg_database.h).
 */
SELECT d.oid, d.datname, pg_catalog.has_database_privilege(d.oid, 'CONNECT') AS may_connect
FROM pg_catalog.pg_database AS d
WHERE d.datname::pg_catalog.text LIKE ANY ($1::pg_catalog.text[])
    AND d.datallowconn
    AND NOT d.datistemplate
    AND d.datconnlimit <> -2
ORDER BY d.datname
