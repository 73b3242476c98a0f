-- The roles with rows for these names, the intermediate roles among them, and the names and patterns of the rows.
-- $1 text[], $2 text[], $3 text[], $4 text[]: object_type, schema or '', name, and signature or ''
WITH renamed AS MATERIALIZED (
    SELECT DISTINCT o.object_type, o.schema_name, o.object_name, o.signature
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS o (object_type, schema_name, object_name, signature)
)
SELECT DISTINCT g.role_name, g.object_name
FROM renamed AS o
JOIN sync_roles.desired_grants AS g
    ON g.object_type = o.object_type AND coalesce(g.schema_name, '') = o.schema_name AND g.object_name IN (o.object_name, o.signature)
WHERE g.name_match = 'exact'
UNION
-- The users of patterns stay members.
SELECT i.role_name, i.object_name
FROM renamed AS o
JOIN sync_roles.intermediate_roles AS i
    ON i.object_type = o.object_type AND coalesce(i.schema_name, '') = o.schema_name
        AND (i.name_match <> 'exact' OR i.object_name IN (o.object_name, o.signature));
