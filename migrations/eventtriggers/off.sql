DROP EVENT TRIGGER IF EXISTS sync_roles_ddl;
DROP EVENT TRIGGER IF EXISTS sync_roles_drop;
DROP FUNCTION IF EXISTS sync_roles.notice_ddl();
