-- The intermediate roles and keepers of databases that are no more, in the order in which they can be dropped: keepers have granted memberships in the
-- others, and without the one that locks the others cannot be dropped as quickly.
-- A database that was restored from another cluster goes on with roles that bear its old OID. So where one of them holds something in a database, or
-- keeps something for one, all of that OID are in use.
WITH RECURSIVE series (role_name) AS (
    -- One role of each OID: there may be a hundred thousand of each. The character after 9 is :, and the one after _ is `.
    (SELECT r.rolname FROM pg_catalog.pg_roles AS r WHERE r.rolname >= '_pgsr_0' AND r.rolname < '_pgsr_:' ORDER BY r.rolname LIMIT 1)
    UNION ALL
    SELECT (
        SELECT r.rolname
        FROM pg_catalog.pg_roles AS r
        WHERE r.rolname > coalesce(substring(s.role_name::text FROM '^(_pgsr_[0-9]+)_') || '`', s.role_name::text)::name AND r.rolname < '_pgsr_:'
        ORDER BY r.rolname
        LIMIT 1
    )
    FROM series AS s
    WHERE s.role_name IS NOT NULL
),
dead AS MATERIALIZED (
    SELECT n.digits
    FROM series AS s
    CROSS JOIN LATERAL (SELECT substring(s.role_name::text FROM '^_pgsr_([0-9]{1,10})_') AS digits) AS n
    WHERE CASE
        WHEN n.digits::numeric BETWEEN 1 AND 4294967295 THEN NOT EXISTS (SELECT FROM pg_catalog.pg_database AS b WHERE b.oid = n.digits::bigint::oid)
        ELSE false
    END
),
roles AS MATERIALIZED (
    SELECT d.digits, r.oid, r.rolname, starts_with(r.rolname::text, '_pgsr_' || d.digits || '_keeper_') AS keeper,
        starts_with(r.rolname::text, '_pgsr_' || d.digits || '_keeper_lock') AS locks
    FROM dead AS d
    CROSS JOIN LATERAL (
        SELECT r.oid, r.rolname
        FROM pg_catalog.pg_roles AS r
        WHERE r.rolname >= ('_pgsr_' || d.digits || '_')::name AND r.rolname < ('_pgsr_' || d.digits || '`')::name
        OFFSET 0
    ) AS r
),
held AS MATERIALIZED (
    SELECT s.refobjid AS oid, bool_or(s.dbid <> 0) AS in_database
    FROM pg_catalog.pg_shdepend AS s
    WHERE s.refclassid = 'pg_catalog.pg_authid'::regclass AND s.refobjid IN (SELECT r.oid FROM roles AS r)
        AND s.classid <> 'pg_catalog.pg_auth_members'::regclass
    GROUP BY s.refobjid
),
in_use AS (
    SELECT r.digits
    FROM roles AS r
    JOIN held AS h ON h.oid = r.oid AND h.in_database
    UNION
    SELECT r.digits
    FROM roles AS r
    JOIN sync_roles.memberships AS m ON m.member_oid = r.oid
    JOIN pg_catalog.pg_roles AS g ON g.oid = m.role_oid
    WHERE g.rolname <> '_pgsr_lock' AND NOT starts_with(g.rolname::text, '_pgsr_' || r.digits || '_')
    UNION
    SELECT r.digits
    FROM roles AS r
    WHERE r.oid IN (SELECT i.role_oid FROM sync_roles.intermediate_roles AS i UNION ALL SELECT k.role_oid FROM sync_roles.keepers AS k)
)
SELECT r.oid, r.rolname
FROM roles AS r
WHERE r.digits NOT IN (SELECT u.digits FROM in_use AS u)
    -- Something on what the databases share, such as another database, is not lost by accident.
    AND NOT EXISTS (SELECT FROM held AS h WHERE h.oid = r.oid)
    -- Only what can have been made here.
    AND coalesce(sync_roles.role_attributes(r.oid), '') = CASE WHEN r.locks THEN 'CREATEROLE' ELSE '' END
    AND CASE
        WHEN current_setting('server_version_num')::integer >= 160000 THEN pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION')
        ELSE true
    END
ORDER BY r.keeper, r.locks, r.rolname;
