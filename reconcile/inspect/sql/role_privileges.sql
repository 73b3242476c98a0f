-- All that one role holds on objects, as in surplus_grants.sql.
-- $1 text: the role
SELECT r.rolname::text AS role_name, a.privilege_type AS privilege, '' AS column_name, a.grantor AS grantor_oid,
    o.object_type, o.class_oid, o.object_oid, o.schema_name::text, o.object_name::text, coalesce(o.signature, '') AS signature,
        o.owner AS owner_oid,
    true AS undeclared, false AS rival, '[]'::jsonb AS dependents, false AS passed_on,
    o.schema_name <> '' AND NOT has_schema_privilege(o.schema_name::text, 'USAGE') AS no_usage,
    o.schema_name <> '' AND NOT has_schema_privilege(a.grantor, o.schema_name::text, 'USAGE') AS grantor_no_usage,
    false AS option_only, false AS still_desired, false AS expired, '{}'::bigint[] AS transactions, false AS name_lost,
        '{}'::text[] AS columns, '{}'::boolean[] AS column_options
FROM pg_catalog.pg_roles AS r
JOIN pg_catalog.pg_shdepend AS d
    ON d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype = 'a' AND d.objsubid = 0
        -- coalesce: in a large database, its own index of pg_shdepend would be read from end to end.
        AND coalesce(d.dbid) IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
CROSS JOIN LATERAL (
    SELECT o.*
    FROM sync_roles.objects AS o
    WHERE o.class_oid = d.classid AND o.object_oid = d.objid
    OFFSET 0
) AS o
CROSS JOIN LATERAL aclexplode(o.acl) AS a
WHERE r.rolname = $1 AND a.grantee = r.oid
UNION ALL
SELECT r.rolname, a.privilege_type, c.attname::text, a.grantor,
    o.object_type, o.class_oid, o.object_oid, o.schema_name::text, o.object_name::text, '', o.owner, true, false, '[]', false,
    NOT has_schema_privilege(o.schema_name::text, 'USAGE'), NOT has_schema_privilege(a.grantor, o.schema_name::text, 'USAGE'),
    false, false, false, '{}', false, '{}', '{}'
FROM pg_catalog.pg_roles AS r
JOIN pg_catalog.pg_shdepend AS d
    ON d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype = 'a' AND d.objsubid > 0
        AND d.classid = 'pg_catalog.pg_class'::regclass
        AND coalesce(d.dbid) = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
JOIN pg_catalog.pg_attribute AS c ON c.attrelid = d.objid AND c.attnum = d.objsubid
CROSS JOIN LATERAL (
    SELECT o.*
    FROM sync_roles.objects AS o
    WHERE o.class_oid = d.classid AND o.object_oid = d.objid
    OFFSET 0
) AS o
CROSS JOIN LATERAL aclexplode(sync_roles.unpacked(c.attacl)) AS a
WHERE r.rolname = $1 AND a.grantee = r.oid;
