-- The intermediate roles that rows of these roles use, or did before they were withdrawn.
-- $1 text[]: names of roles
SELECT i.role_name
FROM sync_roles.intermediate_roles AS i
WHERE EXISTS (
        SELECT
        FROM sync_roles.desired_grants AS g
        WHERE g.role_name = ANY ($1) AND g.object_type = i.object_type AND g.object_name = i.object_name AND g.privilege = i.privilege
            AND coalesce(g.schema_name, '') = coalesce(i.schema_name, '') AND g.name_match = i.name_match
            AND coalesce(g.column_name, '') = coalesce(i.column_name, '')
    )
    OR EXISTS (
        SELECT
        FROM sync_roles.withdrawn AS w
        WHERE w.role_name = ANY ($1) AND w.object_type = i.object_type AND w.object_name = i.object_name AND w.privilege = i.privilege
            AND coalesce(w.schema_name, '') = coalesce(i.schema_name, '') AND w.name_match = i.name_match
            AND coalesce(w.column_name, '') = coalesce(i.column_name, '')
    )
    OR EXISTS (
        SELECT
        FROM pg_catalog.pg_roles AS r
        JOIN sync_roles.memberships AS m ON m.member_oid = r.oid
        WHERE r.rolname = ANY ($1) AND m.role_oid = i.role_oid
    )
ORDER BY 1;
