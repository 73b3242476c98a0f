-- What the connected role may do with these roles. pg_has_role(..., 'MEMBER') is no answer to any of it: ADMIN alone makes it true.
-- Before 16, CREATEROLE means ADMIN on everything but superusers.
-- $1 oid[]: roles
SELECT
    r.oid,
    r.rolname,
    l.rolname,
    l.rolsuper,
    pg_has_role(r.oid, 'USAGE'),
    pg_has_role(r.oid, CASE WHEN v.options THEN 'SET' ELSE 'MEMBER' END),
    CASE
        WHEN me.rolsuper THEN true
        WHEN l.rolsuper THEN false
        WHEN NOT v.options AND me.rolcreaterole THEN true
        -- pg_has_role(..., 'MEMBER WITH ADMIN OPTION') would go through all memberships of whoever creates roles, for each of these anew.
        -- So first comes what is near: its own ADMIN option, and that of a keeper. 'MEMBER' goes through them once (roles_is_member_of in
        -- acl.c).
        -- All as scalars: for EXISTS, the planner may hash all memberships of the cluster, or those of the daemon.
        WHEN (
            SELECT true
            FROM pg_catalog.pg_auth_members AS a
            WHERE a.roleid = l.oid AND a.admin_option
                AND (a.member = me.oid OR (
                    SELECT true
                    FROM pg_catalog.pg_auth_members AS k
                    WHERE k.roleid = a.member AND k.member = me.oid
                    LIMIT 1
                ))
            LIMIT 1
        ) THEN true
        ELSE (
            SELECT true
            FROM pg_catalog.pg_auth_members AS a
            WHERE a.roleid = l.oid AND a.admin_option AND pg_has_role(a.member, 'MEMBER')
            LIMIT 1
        ) IS NOT NULL
    END
FROM unnest($1::oid[]) AS n (oid)
-- LATERAL with OFFSET 0 makes the planner look each role up by index.
CROSS JOIN LATERAL (
    SELECT r.*
    FROM pg_catalog.pg_roles AS r
    WHERE r.oid = n.oid
    OFFSET 0
) AS r
-- GRANT pg_database_owner is an error: its member is whoever owns the database.
CROSS JOIN LATERAL (
    SELECT l.oid, l.rolname, l.rolsuper
    FROM pg_catalog.pg_roles AS l
    WHERE l.oid = CASE
        WHEN r.rolname = 'pg_database_owner' THEN (SELECT d.datdba FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
        ELSE r.oid
    END
    OFFSET 0
) AS l
JOIN pg_catalog.pg_roles AS me ON me.rolname = current_user
CROSS JOIN (SELECT current_setting('server_version_num')::integer >= 160000) AS v (options)
