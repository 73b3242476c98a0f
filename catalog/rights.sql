-- What the connected role may do with these roles. pg_has_role(…, 'MEMBER') is no answer to any of it: ADMIN alone makes it true.
-- Before 16, CREATEROLE means ADMIN on everything but superusers.
-- $1 oid[]: roles
SELECT
    r.oid,
    r.rolname,
    r.rolsuper,
    pg_has_role(r.oid, 'USAGE'),
    pg_has_role(r.oid, CASE WHEN v.options THEN 'SET' ELSE 'MEMBER' END),
    CASE
        WHEN me.rolsuper THEN true
        WHEN r.rolsuper THEN false
        WHEN v.options THEN pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION')
        ELSE me.rolcreaterole OR pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION')
    END
FROM unnest($1::oid[]) AS n (oid)
JOIN pg_catalog.pg_roles AS r ON r.oid = n.oid
JOIN pg_catalog.pg_roles AS me ON me.rolname = current_user
CROSS JOIN (SELECT current_setting('server_version_num')::integer >= 160000) AS v (options)
