-- Remembered objects that no longer bear the name under which they are remembered, or are gone.
SELECT r.class_oid, r.object_oid, r.schema_name, r.object_name
FROM sync_roles.resolved_objects AS r
WHERE NOT EXISTS (
    SELECT
    FROM sync_roles.objects AS o
    WHERE o.object_type = r.object_type AND o.class_oid = r.class_oid AND o.object_oid = r.object_oid
        AND o.schema_name = r.schema_name AND o.object_name = r.object_name
);
