-- The statements that leave in schema sync_roles only the privileges that its owner may have meant to give.
--
-- ALTER DEFAULT PRIVILEGES of the installing role applies to what a migration creates; so of what is new, others keep nothing. On what
-- was there before,
-- a DBA may have let others read, and write desired rows. Nobody but the owner creates in the schema, hangs triggers or foreign keys on
-- its tables,
-- empties them, or writes what the engine relies on; and PUBLIC has nothing but the functions and views that are meant for each writer
-- and reader.
-- $1 oid[]: the tables, views, sequences and functions that were there before
WITH ours AS (
    SELECT n.oid, n.nspowner, n.nspacl
    FROM pg_catalog.pg_namespace AS n
    WHERE n.nspname = 'sync_roles'
),
grantees AS (
    SELECT 0::oid AS oid, 'PUBLIC' AS name
    UNION ALL
    SELECT r.oid, pg_catalog.quote_ident(r.rolname)
    FROM pg_catalog.pg_roles AS r
),
relations AS (
    SELECT c.oid, c.relname, c.relkind, c.relowner, c.relacl, c.oid <> ALL ($1::oid[]) AS new,
        CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS keyword,
        c.relkind = 'r' AND c.relname NOT IN ('desired_grants', 'desired_roles', 'writers', 'approvals', 'reviews', 'review_items',
            'requestable', 'requests', 'request_approvals') AS internal,
        c.relname IN ('my_scopes', 'my_problems', 'my_requests', 'history_begin') AS public
    FROM ours AS o
    JOIN pg_catalog.pg_class AS c ON c.relnamespace = o.oid
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S')
),
entries AS (
    SELECT r.keyword, r.relname, r.new, r.internal, r.public, a.privilege_type AS privilege, a.grantee, ''::text AS columns
    FROM relations AS r
    CROSS JOIN LATERAL pg_catalog.aclexplode(r.relacl) AS a
    WHERE a.grantee <> r.relowner
    UNION ALL
    SELECT r.keyword, r.relname, r.new, r.internal, r.public, a.privilege_type, a.grantee, format(' (%I)', c.attname)
    FROM relations AS r
    JOIN pg_catalog.pg_attribute AS c ON c.attrelid = r.oid AND c.attacl IS NOT NULL AND NOT c.attisdropped
    CROSS JOIN LATERAL pg_catalog.aclexplode(c.attacl) AS a
    WHERE a.grantee <> r.relowner
),
functions AS (
    SELECT p.oid, p.oid <> ALL ($1::oid[]) AS new, p.proowner, coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner)) AS acl,
        -- What runs with its caller's rights gives nothing; what runs with the owner's is for those that writers need.
        p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
            AND p.proname NOT IN ('adapt_to_server', 'apply_password', 'slow_pattern_problem')
            AND (NOT p.prosecdef OR p.proname IN (
                'is_own_id', 'rows_written', 'patterns_written', 'direct_written', 'requests', 'requests_left', 'is_out_of_sync',
                'is_known_role', 'rows_out_of_sync', 'queue_rows_about', 'reached_by_login', 'reviews_of_login', 'entries_of_login'
            )) AS public
    FROM ours AS o
    JOIN pg_catalog.pg_proc AS p ON p.pronamespace = o.oid AND p.proowner = o.nspowner
)
SELECT format('REVOKE %s ON SCHEMA sync_roles FROM %s CASCADE', a.privilege_type, g.name) AS statement
FROM ours AS o
CROSS JOIN LATERAL pg_catalog.aclexplode(o.nspacl) AS a
JOIN grantees AS g ON g.oid = a.grantee
WHERE a.grantee <> o.nspowner AND (a.privilege_type = 'CREATE' OR a.grantee = 0 OR o.oid <> ALL ($1::oid[]))
UNION ALL
SELECT format('REVOKE %s%s ON %s sync_roles.%I FROM %s CASCADE', e.privilege, e.columns, e.keyword, e.relname, g.name)
FROM entries AS e
JOIN grantees AS g ON g.oid = e.grantee
WHERE NOT (e.public AND e.privilege = 'SELECT' AND e.grantee = 0)
    AND (e.new OR e.grantee = 0 OR e.keyword = 'SEQUENCE'
        OR e.privilege IN ('TRIGGER', 'REFERENCES', 'TRUNCATE', 'MAINTAIN')
        OR e.internal AND e.privilege IN ('INSERT', 'UPDATE', 'DELETE'))
UNION ALL
SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM %s CASCADE', f.oid::regprocedure, g.name)
FROM functions AS f
CROSS JOIN LATERAL pg_catalog.aclexplode(f.acl) AS a
JOIN grantees AS g ON g.oid = a.grantee
WHERE a.grantee <> f.proowner AND NOT (f.public AND a.grantee = 0) AND (f.new OR a.grantee = 0)
UNION ALL
SELECT format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', f.oid::regprocedure)
FROM functions AS f
WHERE f.public AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(f.acl) AS a WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE')
ORDER BY 1;
