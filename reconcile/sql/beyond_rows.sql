-- What roles hold or own that is beyond what rows can name: in schemas that are PostgreSQL's, of other databases, of kinds that have no privileges.
-- $1 text[]: names of roles
SELECT r.rolname::text AS role_name,
    CASE WHEN d.classid = 'pg_catalog.pg_default_acl'::regclass THEN '' WHEN d.deptype = 'o' THEN 'OWNER of ' ELSE 'privileges on ' END
        || coalesce(pg_describe_object(d.classid, d.objid, d.objsubid), 'something') AS what,
    CASE
        WHEN d.classid = 'pg_catalog.pg_default_acl'::regclass THEN 'default privileges stay as they are: rows with a pattern cover what comes later'
        WHEN d.classid = 'pg_catalog.pg_database'::regclass THEN 'it belongs into the rows of that database'
        ELSE 'rows cannot name it, and the daemon leaves it alone'
    END AS why
FROM pg_catalog.pg_roles AS r
JOIN pg_catalog.pg_shdepend AS d
    ON d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype IN ('a', 'o')
    AND d.dbid IN (0, (SELECT b.oid FROM pg_catalog.pg_database AS b WHERE b.datname = current_database()))
WHERE r.rolname = ANY ($1)
    -- Memberships are rows of their own.
    AND d.classid <> 'pg_catalog.pg_auth_members'::regclass
    AND (d.classid = 'pg_catalog.pg_database'::regclass AND d.objid <> (SELECT b.oid FROM pg_catalog.pg_database AS b WHERE b.datname = current_database())
        OR (SELECT true FROM sync_roles.objects AS o WHERE o.class_oid = d.classid AND o.object_oid = d.objid LIMIT 1) IS NULL)
    -- What this project is made of, and its writers need.
    AND NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_identify_object_as_address(d.classid, d.objid, d.objsubid) AS a
        WHERE a.object_names[1] = 'sync_roles'
    )
GROUP BY 1, 2, 3
ORDER BY 1, 2;
