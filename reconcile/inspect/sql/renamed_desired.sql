-- The roles with rows for these names, the intermediate roles among them, and the names and patterns of the rows.
-- $1 text[], $2 text[], $3 text[], $4 text[]: object_type, schema or '', name, and signature or ''
-- Each name stands alone, so that it can be hashed: there may be ten thousand of them, and a million rows.
WITH renamed AS MATERIALIZED (
    SELECT o.object_type, o.schema_name, o.object_name
    FROM unnest($1::text[], $2::text[], $3::text[]) AS o (object_type, schema_name, object_name)
    UNION
    SELECT o.object_type, o.schema_name, o.signature
    FROM unnest($1::text[], $2::text[], $4::text[]) AS o (object_type, schema_name, signature)
    WHERE o.signature <> ''
)
SELECT DISTINCT g.role_name, g.object_name
FROM renamed AS o
JOIN sync_roles.desired_grants AS g
    ON g.object_type = o.object_type AND g.object_name = o.object_name AND coalesce(g.schema_name, '') = o.schema_name
WHERE g.name_match = 'exact'
UNION
SELECT i.role_name, i.object_name
FROM renamed AS o
JOIN sync_roles.intermediate_roles AS i
    ON i.object_type = o.object_type AND i.object_name = o.object_name AND coalesce(i.schema_name, '') = o.schema_name
WHERE i.name_match = 'exact'
UNION
-- The users of patterns stay members.
SELECT i.role_name, i.object_name
FROM (SELECT DISTINCT o.object_type, o.schema_name FROM renamed AS o) AS o
JOIN sync_roles.intermediate_roles AS i ON i.object_type = o.object_type AND coalesce(i.schema_name, '') = o.schema_name
WHERE i.name_match <> 'exact';
