-- The objects that exact rows name.
-- $1 ... $3: arrays of object_type, schema_name, object_name
SELECT a.position::integer - 1 AS row_index, coalesce(o.signature, o.object_name::text) AS object_name
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS a (object_type, schema_name, object_name, position)
CROSS JOIN LATERAL sync_roles.find_objects(a.object_type, a.schema_name, a.object_name, 'exact') AS o
ORDER BY 1, 2;
