-- The roles that have the name of a keeper to be made, and why they cannot be one that was made here.
-- $1 text[]: names
SELECT r.rolname::text AS name, r.oid, coalesce(sync_roles.keeper_problem(r.oid, false), '') AS problem
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = ANY ($1::name[])
ORDER BY r.rolname;
