-- The patterns that a pass over these roles compares with names, but for those that are known to cost too much. Who owns an object depends
-- on the rows of all roles.
-- $1 text[]: names of roles, intermediate roles among them
SELECT p.object_type, p.schema_name, p.object_name, p.name_match
FROM (
    SELECT g.object_type, coalesce(g.schema_name, '') AS schema_name, g.object_name, g.name_match
    FROM sync_roles.grants_in_force AS g
    WHERE (g.role_name = ANY ($1) OR g.privilege = 'OWNER') AND g.name_match <> 'exact'
    UNION
    SELECT w.object_type, coalesce(w.schema_name, ''), w.object_name, w.name_match
    FROM sync_roles.withdrawn AS w
    WHERE w.role_name = ANY ($1) AND w.name_match <> 'exact'
    UNION
    SELECT i.object_type, coalesce(i.schema_name, ''), i.object_name, i.name_match
    FROM sync_roles.intermediate_roles AS i
    WHERE i.role_name = ANY ($1) AND i.name_match <> 'exact'
) AS p
WHERE NOT EXISTS (
    SELECT
    FROM sync_roles.costly_patterns AS c
    WHERE c.object_name = p.object_name AND c.object_type = p.object_type AND c.schema_name = p.schema_name AND c.name_match = p.name_match
);
