-- Placeholder: the migration of this number is on another branch.
SELECT 1;
UPDATE sync_roles.installation SET schema_version = 27;
