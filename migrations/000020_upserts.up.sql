-- Upserts that meet: of two unique indexes, ON CONFLICT waits for one, and fails by the other when two sessions write the same row at once.

DROP INDEX sync_roles.desired_grants_selector;
CREATE INDEX desired_grants_names ON sync_roles.desired_grants (role_name, object_type, object_name, privilege);

COMMENT ON COLUMN sync_roles.desired_grants.selector IS
    'What the row points at: privilege, column, type, schema, how the name is compared, and the name. Unique together with role_name: '
    'the conflict target of upserts.';

UPDATE sync_roles.installation SET schema_version = 20;
