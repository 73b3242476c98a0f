-- The roles that have the name of an intermediate role to be made, and why they cannot be one that was made here.
-- $1 text[], ... $8 text[]: name, privilege, object_type, schema_name, object_name, name_match, column_name of each, and more (JSON) or ''
-- $9 oid[]: unregistered keepers that were made here
SELECT r.rolname::text AS name, r.oid,
    coalesce(
        sync_roles.intermediate_problem(r.oid, $9, n.privilege, n.object_type, n.schema_name, n.object_name, n.name_match, n.column_name,
            nullif(n.more, '')::jsonb),
        ''
    ) AS problem
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
    AS n (role_name, privilege, object_type, schema_name, object_name, name_match, column_name, more)
-- LATERAL with OFFSET 0 makes the planner look each name up by index.
CROSS JOIN LATERAL (
    SELECT r.oid, r.rolname
    FROM pg_catalog.pg_roles AS r
    WHERE r.rolname = n.role_name COLLATE "C"
    OFFSET 0
) AS r
ORDER BY 1;
