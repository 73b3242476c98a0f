-- Rows of which the pattern is not compared with names: it costs too much, or it has a back-reference.
-- $1 text[]: names of roles, intermediate roles among them
SELECT g.id, g.role_name, g.privilege, g.object_type, coalesce(g.schema_name, '') AS schema_name, g.object_name, g.name_match,
    sync_roles.refers_back(g.object_name) AND g.name_match = 'regex' AS refers_back, false AS withdrawn
FROM sync_roles.grants_in_force AS g
WHERE g.role_name = ANY ($1) AND g.name_match <> 'exact'
    AND (
        g.name_match = 'regex' AND sync_roles.refers_back(g.object_name)
        OR EXISTS (
            SELECT
            FROM sync_roles.costly_patterns AS c
            WHERE c.object_type = g.object_type
                AND c.object_name = sync_roles.compared_name(g.object_name, g.name_match, g.except_names)
                AND c.schema_name = coalesce(sync_roles.compared_name(g.schema_name, g.schema_match, g.except_schemas), '')
                AND c.name_match = sync_roles.compared_match(g.name_match, g.except_names)
        )
    )
UNION ALL
-- What is gone matters only where it gave something on the objects themselves.
SELECT w.grant_id, w.role_name, w.privilege, w.object_type, coalesce(w.schema_name, ''), w.object_name, w.name_match, false, true
FROM sync_roles.withdrawn AS w
JOIN sync_roles.costly_patterns AS c
    ON c.object_type = w.object_type
    AND c.object_name = sync_roles.compared_name(w.object_name, w.name_match, w.except_names)
    AND c.schema_name = coalesce(sync_roles.compared_name(w.schema_name, w.schema_match, w.except_schemas), '')
    AND c.name_match = sync_roles.compared_match(w.name_match, w.except_names)
WHERE w.role_name = ANY ($1)
    AND (w.direct OR w.grantable OR w.role_name = 'public' OR w.privilege IN ('MEMBER', 'OWNER'));
