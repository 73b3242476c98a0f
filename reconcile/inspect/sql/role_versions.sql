-- As versions.sql, of the roles: pg_authid is for superusers, so it is what pg_roles says that is hashed.
SELECT count(*) || ' ' || coalesce(bit_xor(hash_record_extended(ROW(r.oid, r.rolname, r.rolsuper, r.rolinherit, r.rolcreaterole,
    r.rolcreatedb, r.rolcanlogin, r.rolreplication, r.rolbypassrls, r.rolconnlimit, r.rolvaliduntil), 0)), 0)
FROM pg_catalog.pg_roles AS r;
