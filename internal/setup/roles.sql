/*
 * Roles that own schemas, relations or routines in the database, and those that are named: what the daemon's role has of each.
 *
 * $1 text    the daemon's role, which may be missing
 * $2 text[]  names
 * $3 text    the word for SET in pg_has_role
 *
 * Not those that PostgreSQL itself has (OIDs below 16384, but for the first superuser), whose objects are the server's.
 */
WITH user_schemas AS (
    SELECT n.oid, n.nspowner
    FROM pg_catalog.pg_namespace AS n
    WHERE n.nspname !~ '^pg_'
        AND n.nspname NOT IN ('information_schema', 'sync_roles')
), owners AS (
    SELECT n.nspowner AS oid
    FROM user_schemas AS n
    UNION
    SELECT c.relowner
    FROM pg_catalog.pg_class AS c
    JOIN user_schemas AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION
    SELECT p.proowner
    FROM pg_catalog.pg_proc AS p
    JOIN user_schemas AS n ON n.oid = p.pronamespace
)
SELECT o.rolname::pg_catalog.text AS name,
    o.rolsuper AS superuser,
    o.oid IN (SELECT w.oid FROM owners AS w) AS owns,
    coalesce(pg_catalog.pg_has_role(r.oid, o.oid, 'USAGE'), false) AS inherits,
    coalesce(pg_catalog.pg_has_role(r.oid, o.oid, $3), false) AS sets,
    coalesce(pg_catalog.pg_has_role(r.oid, o.oid, 'MEMBER WITH ADMIN OPTION'), false) AS admin
FROM pg_catalog.pg_roles AS o
LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = $1
WHERE o.rolname !~ '^(pg_|_pgsr_)'
    AND (o.oid IN (SELECT w.oid FROM owners AS w) OR o.rolname = ANY ($2))
ORDER BY o.rolname
