-- Compares a pattern with all names that a pass would compare it with.
-- $1 text: the object type
-- $2 text: the schema, or nothing
-- $3 text: the pattern
-- $4 text: name_match
-- $5 text: how schema names are compared
SELECT count(*)
FROM (
    SELECT o.object_name::text AS object_name
    FROM sync_roles.objects AS o
    WHERE o.object_type = $1 AND sync_roles.in_schema(o.schema_name, $2, $5)
    UNION ALL
    SELECT r.object_name
    FROM sync_roles.resolved_objects AS r
    WHERE r.object_type = $1 AND sync_roles.in_schema(r.schema_name, $2, $5)
    OFFSET 0
) AS o
WHERE sync_roles.name_matches(o.object_name, $3, $4);
