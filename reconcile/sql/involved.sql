-- The intermediate roles that rows of these roles use, or did before they were withdrawn, and those of which they are members.
-- $1 text[]: names of roles
WITH selectors AS MATERIALIZED (
    SELECT DISTINCT g.object_type, g.object_name, g.privilege, coalesce(g.schema_name, '') AS schema_name, g.name_match, coalesce(g.column_name, '') AS column_name
    FROM sync_roles.desired_grants AS g
    WHERE g.role_name = ANY ($1) AND EXISTS (SELECT FROM sync_roles.intermediate_roles)
    UNION
    SELECT w.object_type, w.object_name, w.privilege, coalesce(w.schema_name, ''), w.name_match, coalesce(w.column_name, '')
    FROM sync_roles.withdrawn AS w
    WHERE w.role_name = ANY ($1) AND EXISTS (SELECT FROM sync_roles.intermediate_roles)
)
SELECT i.role_name
FROM selectors AS s
JOIN sync_roles.intermediate_roles AS i
    ON i.object_type = s.object_type AND i.object_name = s.object_name AND i.privilege = s.privilege
    AND coalesce(i.schema_name, '') = s.schema_name AND i.name_match = s.name_match
    AND coalesce(i.column_name, '') = s.column_name
UNION
SELECT i.role_name
FROM pg_catalog.pg_roles AS r
JOIN sync_roles.memberships AS m ON m.member_oid = r.oid
JOIN sync_roles.intermediate_roles AS i ON i.role_oid = m.role_oid
WHERE r.rolname = ANY ($1)
ORDER BY 1;
