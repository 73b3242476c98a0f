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
            WHERE c.object_name = g.object_name AND c.object_type = g.object_type AND c.schema_name = coalesce(g.schema_name, '')
            AND c.name_match = g.name_match
        )
    )
UNION ALL
-- What is gone matters only where it gave something on the objects themselves.
SELECT w.grant_id, w.role_name, w.privilege, w.object_type, coalesce(w.schema_name, ''), w.object_name, w.name_match, false, true
FROM sync_roles.withdrawn AS w
JOIN sync_roles.costly_patterns AS c
    ON c.object_name = w.object_name AND c.object_type = w.object_type AND c.schema_name = coalesce(w.schema_name, '')
    AND c.name_match = w.name_match
WHERE w.role_name = ANY ($1)
    AND (w.direct OR w.grantable OR w.role_name = 'public' OR w.privilege IN ('MEMBER', 'OWNER'));
