-- Memberships from these roles upward, to all that they reach, and downward, to all that reach them.
-- $1 oid[]: roles to go up from
-- $2 oid[]: roles to go down from
WITH RECURSIVE
here AS MATERIALIZED (
    SELECT d.datdba AS owner, o.oid AS pg_database_owner, (current_setting('server_version_num')::integer >= 160000
        OR r.rolinherit) AS inherit_option
    FROM pg_catalog.pg_database AS d
    JOIN pg_catalog.pg_roles AS r ON r.oid = d.datdba
    JOIN pg_catalog.pg_roles AS o ON o.rolname = 'pg_database_owner'
    WHERE d.datname = current_database()
),
-- LATERAL with OFFSET 0 makes the planner go by index, one role at a time.
upward (oid) AS (
    SELECT unnest($1::oid[])
    UNION
    SELECT m.role_oid
    FROM upward AS u
    CROSS JOIN LATERAL (
        SELECT m.role_oid FROM sync_roles.memberships AS m WHERE m.member_oid = u.oid OFFSET 0
    ) AS m
),
downward (oid) AS (
    SELECT unnest($2::oid[])
    UNION
    SELECT m.member_oid
    FROM downward AS d
    CROSS JOIN LATERAL (
        (SELECT m.member_oid FROM sync_roles.memberships AS m WHERE m.role_oid = d.oid OFFSET 0)
        UNION ALL
        SELECT h.owner FROM here AS h WHERE h.pg_database_owner = d.oid
    ) AS m
),
edges AS (
    SELECT m.*
    FROM upward AS u
    CROSS JOIN LATERAL (
        SELECT m.member_oid, m.role_oid, m.admin_option, m.inherit_option, m.set_option FROM sync_roles.memberships AS m
            WHERE m.member_oid = u.oid OFFSET 0
    ) AS m
    UNION ALL
    SELECT m.*
    FROM downward AS d
    CROSS JOIN LATERAL (
        SELECT m.member_oid, m.role_oid, m.admin_option, m.inherit_option, m.set_option FROM sync_roles.memberships AS m
            WHERE m.role_oid = d.oid OFFSET 0
    ) AS m
    UNION ALL
    -- The owner of the database is a member of pg_database_owner without any GRANT (roles_is_member_of in acl.c).
    SELECT h.owner, h.pg_database_owner, false, h.inherit_option, true
    FROM here AS h
    WHERE h.owner IN (SELECT oid FROM upward UNION ALL SELECT oid FROM downward)
)
SELECT e.member_oid, m.rolname::text, m.rolsuper, e.role_oid, r.rolname::text, r.rolsuper,
    -- Several grantors can have granted the same with different options.
    bool_or(e.inherit_option), bool_or(e.set_option), bool_or(e.admin_option)
FROM edges AS e
JOIN pg_catalog.pg_roles AS m ON m.oid = e.member_oid
JOIN pg_catalog.pg_roles AS r ON r.oid = e.role_oid
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY 2, 5;
