-- CREATE OR REPLACE FUNCTION drops what ALTER FUNCTION had set: the plan of a session's first small UPDATE, which is kept, paired all old
-- rows of a large one with all new ones.

ALTER FUNCTION sync_roles.withdraw_changed() SET enable_nestloop = off;

UPDATE sync_roles.installation SET schema_version = 32;
