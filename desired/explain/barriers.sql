-- What keeps roles from using what they have: PostgreSQL's own answers.
-- $1 oid[]: roles; 0 is PUBLIC
-- $2 text[]: schemas
SELECT r.oid, NOT has_database_privilege(CASE WHEN r.oid = 0 THEN 'public' ELSE p.rolname END, current_database(), 'CONNECT') AS no_connect,
    coalesce(p.rolcanlogin, false) AS login,
    ARRAY(
        SELECT s.name
        FROM unnest($2::text[]) AS s (name)
        JOIN pg_catalog.pg_namespace AS n ON n.nspname = s.name
        WHERE NOT has_schema_privilege(CASE WHEN r.oid = 0 THEN 'public' ELSE p.rolname END, n.oid, 'USAGE')
    ) AS closed_schemas
FROM unnest($1::oid[]) AS r (oid)
LEFT JOIN pg_catalog.pg_roles AS p ON p.oid = r.oid
WHERE r.oid = 0 OR p.oid IS NOT NULL;
