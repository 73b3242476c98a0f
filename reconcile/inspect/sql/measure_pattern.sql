-- Compares a pattern with all names that a pass would compare it with.
-- $1 text: the object type
-- $2 text: the schema, or nothing
-- $3 text: the pattern
-- $4 text: name_match
SELECT count(*)
FROM (
    SELECT o.object_name::text AS object_name
    FROM sync_roles.objects AS o
    WHERE o.object_type = $1 AND o.schema_name = $2
    UNION ALL
    SELECT r.object_name
    FROM sync_roles.resolved_objects AS r
    WHERE r.object_type = $1 AND r.schema_name = $2
    OFFSET 0
) AS o
WHERE sync_roles.name_matches(o.object_name, $3, $4);
