-- The intermediate roles and keepers of databases that are no more, in the order in which they can be dropped: keepers have granted
-- memberships in the
-- others, and without the one that locks the others cannot be dropped as quickly.
-- A database that was restored from another cluster goes on with roles that bear its old OID. So where one of them holds something in a
-- database, or
-- keeps something for one, all of that OID are in use.
-- $1 oid[]: only these roles, as they are now; NULL: all, up to a thousand
WITH RECURSIVE series (role_name) AS (
    -- One role of each OID: there may be a hundred thousand of each. The character after 9 is :, and the one after _ is `.
    (
        SELECT r.rolname
        FROM pg_catalog.pg_roles AS r
        WHERE $1::oid[] IS NULL AND r.rolname >= '_pgsr_0' AND r.rolname < '_pgsr_:'
        ORDER BY r.rolname
        LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT r.rolname
        FROM pg_catalog.pg_roles AS r
        WHERE r.rolname > coalesce(substring(s.role_name::text FROM '^(_pgsr_[0-9]+)_') || '`', s.role_name::text)::name
            AND r.rolname < '_pgsr_:'
        ORDER BY r.rolname
        LIMIT 1
    )
    FROM series AS s
    WHERE s.role_name IS NOT NULL
),
given AS MATERIALIZED (
    SELECT r.*, substring(r.rolname::text FROM '^_pgsr_([0-9]{1,10})_') AS digits
    FROM pg_catalog.pg_roles AS r
    WHERE r.oid = ANY ($1)
),
dead AS MATERIALIZED (
    SELECT n.digits
    FROM (
        SELECT substring(s.role_name::text FROM '^_pgsr_([0-9]{1,10})_') AS digits
        FROM series AS s
        UNION
        SELECT g.digits
        FROM given AS g
    ) AS n
    WHERE CASE
        WHEN n.digits::numeric BETWEEN 1 AND 4294967295 THEN NOT EXISTS (SELECT FROM pg_catalog.pg_database AS b
            WHERE b.oid = n.digits::bigint::oid)
        ELSE false
    END
),
roles AS MATERIALIZED (
    SELECT r.digits, r.oid, r.rolname, starts_with(r.rolname::text, '_pgsr_' || r.digits || '_keeper_') AS keeper,
        starts_with(r.rolname::text, '_pgsr_' || r.digits || '_keeper_lock') AS locks,
        -- As by sync_roles.role_attributes, which would take seconds if it was called for each.
        r.rolcanlogin OR r.rolsuper OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls AS more_than_group, r.rolcreaterole
    FROM (
        SELECT d.digits, r.oid, r.rolname, r.rolcanlogin, r.rolsuper, r.rolcreatedb, r.rolreplication, r.rolbypassrls, r.rolcreaterole
        FROM dead AS d
        CROSS JOIN LATERAL (
            SELECT r.*
            FROM pg_catalog.pg_roles AS r
            WHERE $1::oid[] IS NULL AND r.rolname >= ('_pgsr_' || d.digits || '_')::name AND r.rolname < ('_pgsr_' || d.digits || '`')::name
            OFFSET 0
        ) AS r
        UNION ALL
        SELECT g.digits, g.oid, g.rolname, g.rolcanlogin, g.rolsuper, g.rolcreatedb, g.rolreplication, g.rolbypassrls, g.rolcreaterole
        FROM given AS g
        WHERE g.digits IN (SELECT d.digits FROM dead AS d)
    ) AS r
),
held AS MATERIALIZED (
    SELECT r.oid, bool_or(s.dbid <> 0) AS in_database
    FROM roles AS r
    -- LATERAL with OFFSET 0 is a search by index for each role.
    CROSS JOIN LATERAL (
        SELECT s.dbid
        FROM pg_catalog.pg_shdepend AS s
        WHERE s.refclassid = 'pg_catalog.pg_authid'::regclass AND s.refobjid = r.oid AND s.classid <> 'pg_catalog.pg_auth_members'::regclass
        OFFSET 0
    ) AS s
    GROUP BY r.oid
),
in_use AS (
    SELECT r.digits
    FROM roles AS r
    JOIN held AS h ON h.oid = r.oid AND h.in_database
    UNION
    SELECT r.digits
    FROM roles AS r
    CROSS JOIN LATERAL (
        SELECT g.rolname
        FROM sync_roles.memberships AS m
        JOIN pg_catalog.pg_roles AS g ON g.oid = m.role_oid
        WHERE m.member_oid = r.oid
        OFFSET 0
    ) AS g
    WHERE g.rolname <> '_pgsr_lock' AND NOT starts_with(g.rolname::text, '_pgsr_' || r.digits || '_')
    UNION
    SELECT r.digits
    FROM roles AS r
    WHERE r.oid IN (SELECT i.role_oid FROM sync_roles.intermediate_roles AS i UNION ALL SELECT k.role_oid FROM sync_roles.keepers AS k)
),
me AS MATERIALIZED (
    SELECT r.oid, r.rolsuper OR current_setting('server_version_num')::integer < 160000 AS may_drop
    FROM pg_catalog.pg_roles AS r
    WHERE r.rolname = current_user
),
-- Roles by which the daemon has the ADMIN option: itself, and keepers of a dead database. pg_has_role would look through all memberships
-- for each of the
-- roles, and anew whenever somebody has made a role.
admins AS MATERIALIZED (
    SELECT m.oid
    FROM me AS m
    UNION
    SELECT k.oid
    FROM dead AS d
    CROSS JOIN me AS u
    CROSS JOIN LATERAL (
        SELECT r.oid
        FROM pg_catalog.pg_roles AS r
        WHERE r.rolname >= ('_pgsr_' || d.digits || '_keeper_')::name AND r.rolname < ('_pgsr_' || d.digits || '_keeper`')::name
        OFFSET 0
    ) AS k
    CROSS JOIN LATERAL (
        SELECT
        FROM sync_roles.memberships AS m
        WHERE m.role_oid = k.oid AND m.member_oid = u.oid
        OFFSET 0
    ) AS m
)
SELECT r.oid, r.rolname::text AS name, r.digits AS database_oid
FROM roles AS r
CROSS JOIN me AS u
WHERE r.digits NOT IN (SELECT u.digits FROM in_use AS u)
    -- Something on what the databases share, such as another database, is not lost by accident.
    AND NOT EXISTS (SELECT FROM held AS h WHERE h.oid = r.oid)
    -- Only what can have been made here. Before 16 there are no keepers, and CREATEROLE is enough to drop any role: of ours, the comment
    -- tells, as it is
    -- written in the transaction that makes one.
    AND (
        r.keeper
        OR EXISTS (
            SELECT
            FROM pg_catalog.pg_shdescription AS c
            WHERE c.objoid = r.oid AND c.classoid = 'pg_catalog.pg_authid'::regclass
                AND starts_with(c.description, 'intermediate role of sync_roles in database ')
        )
    )
    AND NOT r.more_than_group AND r.rolcreaterole = r.locks
    AND (
        u.may_drop AND (NOT r.keeper OR current_setting('server_version_num')::integer >= 160000)
        OR EXISTS (
            SELECT
            FROM sync_roles.memberships AS m
            WHERE m.role_oid = r.oid AND m.admin_option AND m.member_oid IN (SELECT a.oid FROM admins AS a)
        )
    )
ORDER BY r.keeper, r.locks, r.rolname
LIMIT 1000;
