-- What keeps roles from using what they have: PostgreSQL's own answers.
-- $1 text[]: roles; "public" is PUBLIC, and no role's name
-- $2 text[]: schemas
-- Roles by OID: one that was dropped after this transaction began is no error then.
SELECT r.name,
    NOT CASE
        WHEN r.name = 'public' THEN has_database_privilege('public', current_database(), 'CONNECT')
        ELSE has_database_privilege(p.oid, current_database(), 'CONNECT')
    END AS no_connect,
    coalesce(p.rolcanlogin, false) AS login,
    ARRAY(
        SELECT s.name
        FROM unnest($2::text[]) AS s (name)
        JOIN pg_catalog.pg_namespace AS n ON n.nspname = s.name
        WHERE NOT CASE
            WHEN r.name = 'public' THEN has_schema_privilege('public', n.oid, 'USAGE')
            ELSE has_schema_privilege(p.oid, n.oid, 'USAGE')
        END
    ) AS closed_schemas
FROM unnest($1::text[]) AS r (name)
LEFT JOIN pg_catalog.pg_roles AS p ON p.rolname = r.name
WHERE r.name = 'public' OR p.oid IS NOT NULL;
