-- The roles named like intermediate roles of other databases that hold privileges in this one: it was copied from theirs.
SELECT r.rolname
FROM pg_catalog.pg_roles AS r
WHERE r.rolname >= '_pgsr_' AND r.rolname < '_pgsr`' -- the character after _, so that an index serves
    AND (
        SELECT true
        FROM pg_catalog.pg_shdepend AS d
        WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype = 'a'
            -- coalesce: in a large database, its own index of pg_shdepend would be read from end to end.
            AND coalesce(d.dbid) = (SELECT b.oid FROM pg_catalog.pg_database AS b WHERE b.datname = current_database())
        LIMIT 1
    ) IS NOT NULL
    AND sync_roles.foreign_database(r.rolname) IS NOT NULL
    AND NOT EXISTS (SELECT FROM sync_roles.intermediate_roles AS i WHERE i.role_oid = r.oid)
ORDER BY 1;
