-- What roles own of what rows can own, in the columns of surplus_ownerships.sql.
-- $1 text[]: names of roles
SELECT r.rolname::text AS role_name, o.object_type, o.class_oid, o.object_oid, o.schema_name::text, o.object_name::text,
    coalesce(o.signature, '') AS signature, o.owner AS owner_oid, false AS expired, '{}'::bigint[] AS transactions, false AS moved
FROM pg_catalog.pg_roles AS r
JOIN pg_catalog.pg_shdepend AS d
    ON d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype = 'o'
        -- coalesce: in a large database, its own index of pg_shdepend would be read from end to end.
        AND coalesce(d.dbid) IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
CROSS JOIN LATERAL (
    SELECT o.*
    FROM sync_roles.objects AS o
    WHERE o.class_oid = d.classid AND o.object_oid = d.objid
    OFFSET 0
) AS o
WHERE r.rolname = ANY ($1)
    -- A sequence that belongs to a column follows its table.
    AND NOT (o.object_type = 'sequence' AND sync_roles.follows_table(o.class_oid, o.object_oid))
ORDER BY o.class_oid, o.object_oid;
