/*
 * What a server has that a daemon needs.
 *
 * $1 text  the daemon's role, which may be missing
 */
SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4 / 10000 AS version,
    d.datname::pg_catalog.text AS database,
    pg_catalog.pg_get_userbyid(d.datdba)::pg_catalog.text AS database_owner,
    coalesce((
        SELECT s.rolname::pg_catalog.text
        FROM pg_catalog.pg_roles AS s
        WHERE s.rolname IN (
            'rds_superuser', 'cloudsqlsuperuser', 'alloydbsuperuser', 'azure_pg_admin', 'supabase_admin', 'neon_superuser', 'doadmin'
        )
        ORDER BY s.rolname
        LIMIT 1
    ), '') AS provider,
    r.oid IS NOT NULL AS role_exists,
    coalesce(r.rolcanlogin, false) AS login,
    coalesce(r.rolcreaterole, false) AS createrole,
    coalesce(r.rolsuper, false) AS superuser,
    coalesce(pg_catalog.has_database_privilege(r.oid, d.oid, 'CREATE'), false) AS may_create,
    coalesce(pg_catalog.has_database_privilege(r.oid, d.oid, 'CONNECT WITH GRANT OPTION'), false) AS may_connect,
    l.oid IS NOT NULL AS lock_exists,
    coalesce(pg_catalog.pg_has_role(r.oid, l.oid, 'MEMBER WITH ADMIN OPTION'), false) AS lock_admin
FROM pg_catalog.pg_database AS d
LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = $1
LEFT JOIN pg_catalog.pg_roles AS l ON l.rolname = '_pgsr_lock'
WHERE d.datname = pg_catalog.current_database()
