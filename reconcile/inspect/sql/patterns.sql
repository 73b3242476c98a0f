-- The patterns that a pass over these roles compares with names, but for those that are known to cost too much. Who owns an object depends
-- on the rows of all roles.
-- $1 text[]: names of roles, intermediate roles among them
SELECT DISTINCT p.object_type, c.schema_name, c.schema_match, c.object_name, c.name_match
FROM (
    SELECT g.object_type, g.schema_name, g.schema_match, g.except_schemas, g.object_name, g.name_match, g.except_names
    FROM sync_roles.grants_in_force AS g
    WHERE (g.role_name = ANY ($1) OR g.privilege = 'OWNER') AND g.name_match <> 'exact'
    UNION
    SELECT w.object_type, w.schema_name, w.schema_match, w.except_schemas, w.object_name, w.name_match, w.except_names
    FROM sync_roles.withdrawn AS w
    WHERE w.role_name = ANY ($1) AND w.name_match <> 'exact'
    UNION
    SELECT i.object_type, i.schema_name, i.schema_match, i.except_schemas, i.object_name, i.name_match, i.except_names
    FROM sync_roles.intermediate_roles AS i
    WHERE i.role_name = ANY ($1) AND i.name_match <> 'exact'
) AS p
CROSS JOIN LATERAL (
    SELECT coalesce(sync_roles.compared_name(p.schema_name, p.schema_match, p.except_schemas), '') AS schema_name,
        sync_roles.compared_match(p.schema_match, p.except_schemas) AS schema_match,
        sync_roles.compared_name(p.object_name, p.name_match, p.except_names) AS object_name,
        sync_roles.compared_match(p.name_match, p.except_names) AS name_match
) AS c
WHERE NOT EXISTS (
    SELECT
    FROM sync_roles.costly_patterns AS k
    WHERE k.object_name = c.object_name AND k.object_type = p.object_type AND k.schema_name = c.schema_name AND k.name_match = c.name_match
);
