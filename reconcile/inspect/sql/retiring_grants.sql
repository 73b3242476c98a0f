-- All that roles hold on objects of this database and of the cluster, in the columns of surplus_grants.sql.
-- $1 text[]: names of roles
WITH held AS MATERIALIZED (
    SELECT r.oid AS role_oid, r.rolname::text AS role_name, o.object_type, o.class_oid, o.object_oid, o.schema_name, o.object_name,
        o.signature, o.owner, coalesce(c.attname::text, '') AS column_name,
        CASE WHEN c.attname IS NULL THEN o.acl ELSE sync_roles.unpacked(c.attacl) END AS acl
    FROM pg_catalog.pg_roles AS r
    JOIN pg_catalog.pg_shdepend AS d
        ON d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype = 'a'
            -- coalesce: in a large database, its own index of pg_shdepend would be read from end to end.
            AND coalesce(d.dbid) IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
    CROSS JOIN LATERAL (
        SELECT o.*
        FROM sync_roles.objects AS o
        WHERE o.class_oid = d.classid AND o.object_oid = d.objid
        OFFSET 0
    ) AS o
    LEFT JOIN pg_catalog.pg_attribute AS c
        ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objsubid > 0 AND c.attrelid = d.objid AND c.attnum = d.objsubid
    WHERE r.rolname = ANY ($1)
)
SELECT h.role_name, a.privilege_type AS privilege, h.column_name, a.grantor AS grantor_oid, h.object_type, h.class_oid, h.object_oid,
    h.schema_name::text, h.object_name::text, coalesce(h.signature, '') AS signature, h.owner AS owner_oid, true AS undeclared,
    EXISTS (
        SELECT
        FROM aclexplode(h.acl) AS e
        WHERE e.is_grantable AND e.privilege_type = a.privilege_type AND e.grantee NOT IN (0, h.owner) AND pg_has_role(e.grantee, 'USAGE')
    ) AS rival,
    '[]'::jsonb AS dependents,
    a.is_grantable AND EXISTS (
        SELECT FROM aclexplode(h.acl) AS e WHERE e.privilege_type = a.privilege_type AND e.grantor = h.role_oid
    ) AS passed_on,
    h.schema_name <> '' AND NOT has_schema_privilege(h.schema_name::text, 'USAGE') AS no_usage,
    h.schema_name <> '' AND NOT has_schema_privilege(a.grantor, h.schema_name::text, 'USAGE') AS grantor_no_usage,
    false AS option_only, false AS still_desired, false AS expired, '{}'::bigint[] AS transactions, false AS name_lost,
    '{}'::text[] AS columns, '{}'::boolean[] AS column_options
FROM held AS h
CROSS JOIN LATERAL aclexplode(h.acl) AS a
WHERE a.grantee = h.role_oid AND h.owner <> h.role_oid
ORDER BY h.class_oid, h.object_oid;
