-- What roles hold or own that is beyond what rows can name: in schemas that are PostgreSQL's, of other databases, of kinds that have no
-- privileges.
-- $1 text[]: names of roles
-- $2 text[]: attributes that the daemon may give
-- $3 text[]: privileged roles in which it may give membership
SELECT r.rolname::text AS role_name,
    CASE WHEN d.classid = 'pg_catalog.pg_default_acl'::regclass THEN '' WHEN d.deptype = 'o' THEN 'OWNER of ' ELSE 'privileges on ' END
        || coalesce(pg_describe_object(d.classid, d.objid, d.objsubid), 'something') AS what,
    CASE
        WHEN d.classid = 'pg_catalog.pg_default_acl'::regclass
            THEN 'default privileges stay as they are: rows with a pattern cover what comes later'
        WHEN d.classid = 'pg_catalog.pg_database'::regclass THEN 'it belongs in the rows of that database'
        ELSE 'rows cannot name it, and the daemon leaves it alone'
    END AS why
FROM pg_catalog.pg_roles AS r
JOIN pg_catalog.pg_shdepend AS d
    ON d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype IN ('a', 'o')
    -- coalesce: in a large database, its own index of pg_shdepend would be read from end to end.
    AND coalesce(d.dbid) IN (0, (SELECT b.oid FROM pg_catalog.pg_database AS b WHERE b.datname = current_database()))
WHERE r.rolname = ANY ($1)
    -- Memberships are rows of their own.
    AND d.classid <> 'pg_catalog.pg_auth_members'::regclass
    AND (d.classid = 'pg_catalog.pg_database'::regclass AND d.objid <> (SELECT b.oid FROM pg_catalog.pg_database AS b
        WHERE b.datname = current_database())
        OR (SELECT true FROM sync_roles.objects AS o WHERE o.class_oid = d.classid AND o.object_oid = d.objid LIMIT 1) IS NULL)
    -- What this project is made of, and its writers need.
    AND NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_identify_object_as_address(d.classid, d.objid, d.objsubid) AS a
        WHERE a.object_names[1] = 'sync_roles'
    )
GROUP BY 1, 2, 3
UNION ALL
SELECT r.rolname::text, 'attribute ' || upper(a.name), 'it is left as it is, unless pg-sync-roles runs with --allow-attribute ' || a.name
FROM pg_catalog.pg_roles AS r
CROSS JOIN LATERAL (VALUES ('createrole', r.rolcreaterole), ('replication', r.rolreplication), ('bypassrls', r.rolbypassrls)) AS a (name,
    has)
WHERE r.rolname = ANY ($1) AND a.has AND a.name <> ALL ($2)
UNION ALL
SELECT r.rolname::text, 'settings in all databases', 'rows set those of this database only, and these stay as they are'
FROM pg_catalog.pg_db_role_setting AS s
JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
WHERE r.rolname = ANY ($1) AND s.setdatabase = 0
UNION ALL
SELECT u.rolname::text, 'MEMBER of role ' || r.rolname,
    'it reaches what rows do not give (sync_roles.privileged_roles): it stays without a row until the role is exclusive, '
        || 'unless pg-sync-roles runs with --allow-membership-in'
FROM sync_roles.memberships AS m
JOIN pg_catalog.pg_roles AS u ON u.oid = m.member_oid
JOIN pg_catalog.pg_roles AS r ON r.oid = m.role_oid
WHERE u.rolname = ANY ($1) AND r.oid IN (SELECT p.oid FROM sync_roles.roles_reaching_privileges($3) AS p (oid))
GROUP BY 1, 2
ORDER BY 1, 2;
