-- Remembered objects and columns that no longer bear the name under which they are remembered, or are gone.
SELECT r.class_oid, r.object_oid, r.column_number, r.object_type, r.schema_name, r.object_name, r.signature, r.column_name
FROM sync_roles.resolved_objects AS r
-- LATERAL with OFFSET 0 makes the planner look each object up in the one catalog that it can be in, by index.
LEFT JOIN LATERAL (
    SELECT o.schema_name, o.object_name, coalesce(o.signature, '') AS signature
    FROM sync_roles.objects AS o
    WHERE o.object_type = r.object_type AND o.class_oid = r.class_oid AND o.object_oid = r.object_oid
    OFFSET 0
) AS o ON true
LEFT JOIN LATERAL (
    SELECT c.attname
    FROM pg_catalog.pg_attribute AS c
    WHERE r.column_number <> 0 AND c.attrelid = r.object_oid AND c.attnum = r.column_number AND NOT c.attisdropped
    OFFSET 0
) AS c ON true
WHERE o.schema_name IS DISTINCT FROM r.schema_name OR o.object_name IS DISTINCT FROM r.object_name OR o.signature <> r.signature
    OR r.column_number <> 0 AND c.attname IS DISTINCT FROM r.column_name;
