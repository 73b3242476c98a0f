-- An object can lose its name in more ways than by its own: a routine by the name of an argument's type, a column without its table.

ALTER TABLE sync_roles.resolved_objects
    ADD COLUMN signature text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN column_number smallint NOT NULL DEFAULT 0,
    ADD COLUMN column_name text COLLATE "C" NOT NULL DEFAULT '',
    DROP CONSTRAINT resolved_objects_pkey,
    ADD PRIMARY KEY (class_oid, object_oid, column_number, schema_name, object_name, signature, column_name);

COMMENT ON TABLE sync_roles.resolved_objects IS 'Which object, or column, each name in use last stood for, so that after a rename or a swap nobody keeps a privilege on what no longer bears the name.';
COMMENT ON COLUMN sync_roles.resolved_objects.signature IS 'A routine''s name with its argument types at that time; empty for other types.';
COMMENT ON COLUMN sync_roles.resolved_objects.column_number IS 'The column, as pg_attribute.attnum; 0: the object itself.';
COMMENT ON COLUMN sync_roles.resolved_objects.column_name IS 'The column''s name at that time; empty: the object itself.';

UPDATE sync_roles.resolved_objects AS r
SET signature = o.signature
FROM sync_roles.objects AS o
WHERE r.object_type = 'routine' AND o.object_type = 'routine' AND o.object_oid = r.object_oid
    AND o.schema_name = r.schema_name AND o.object_name = r.object_name;

UPDATE sync_roles.installation SET schema_version = 14;
