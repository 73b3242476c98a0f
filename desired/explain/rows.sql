-- The rows of these roles, with what they ask for: objects that exist.
-- $1 text[]: names of roles
-- $2 text, $3 text, $4 text: only rows for this object: its type, schema (empty for types that live in none), and name or signature;
--   NULL: all.
--    Memberships are always listed.
SELECT g.id, g.role_name, g.privilege, coalesce(g.column_name, '') AS column_name, g.direct IS NOT TRUE AS indirect, g.grantable,
    g.object_name AS asked_name, g.name_match, coalesce(g.note, '') AS note, g.created_by,
    o.object_type, o.schema_name::text, coalesce(o.signature, o.object_name::text) AS object_name
FROM sync_roles.desired_grants AS g
CROSS JOIN LATERAL (
    SELECT o.object_type, o.schema_name, o.object_name, o.signature
    FROM sync_roles.find_objects(g.object_type, coalesce(g.schema_name, ''), g.object_name, g.name_match) AS o
    WHERE $2::text IS NULL OR o.object_type = 'role' OR coalesce(o.signature, o.object_name::text) = $4
    OFFSET 0
) AS o
WHERE g.role_name = ANY ($1)
    AND ($2::text IS NULL OR g.object_type = 'role' OR g.object_type = $2 AND coalesce(g.schema_name, '') = $3
        AND coalesce(o.signature, o.object_name::text) = $4)
ORDER BY g.id;
