-- Roles that are being retired, and their leftovers in the cluster.
-- $1 text[]: names of roles
-- $2 text: who gets what they own, where their rows do not say
SELECT r.rolname::text AS role_name, r.oid AS role_oid, coalesce(d.reassign_to, $2) AS to_name, coalesce(t.oid, 0) AS to_oid,
    (
        SELECT coalesce(jsonb_agg(jsonb_build_object('database', coalesce(c.datname, ''), 'owns', c.owns, 'holds', c.holds,
            'other', c.other) ORDER BY c.datname), '[]')
        FROM (
            SELECT b.datname, count(*) FILTER (WHERE s.kind = 'o') AS owns, count(*) FILTER (WHERE s.kind = 'a') AS holds,
                count(*) FILTER (WHERE s.kind NOT IN ('o', 'a')) AS other
            FROM (
                SELECT s.dbid, CASE
                    WHEN s.classid IN ('pg_catalog.pg_default_acl'::regclass, 'pg_catalog.pg_user_mapping'::regclass,
                        'pg_catalog.pg_auth_members'::regclass) THEN 'x'
                    ELSE s.deptype
                END AS kind
                FROM pg_catalog.pg_shdepend AS s
                WHERE s.refclassid = 'pg_catalog.pg_authid'::regclass AND s.refobjid = r.oid
            ) AS s
            LEFT JOIN pg_catalog.pg_database AS b ON b.oid = s.dbid
            GROUP BY b.datname
        ) AS c
    ) AS remains,
    (SELECT count(*)::integer FROM pg_catalog.pg_stat_activity AS a WHERE a.usesysid = r.oid) AS sessions,
    ARRAY(
        SELECT format('%L in database %s', x.gid, x.database)
        FROM pg_catalog.pg_prepared_xacts AS x
        WHERE x.owner = r.rolname
        ORDER BY x.gid COLLATE "C"
    ) AS prepared
FROM pg_catalog.pg_roles AS r
JOIN sync_roles.desired_roles AS d ON d.role_name = r.rolname::text
LEFT JOIN pg_catalog.pg_roles AS t ON t.rolname = coalesce(d.reassign_to, $2) COLLATE "C"
WHERE r.rolname = ANY ($1);
