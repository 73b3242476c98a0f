DROP EVENT TRIGGER IF EXISTS sync_roles_ddl;
DROP EVENT TRIGGER IF EXISTS sync_roles_drop;
DROP EVENT TRIGGER IF EXISTS sync_roles_hand;
DROP EVENT TRIGGER IF EXISTS sync_roles_hand_drop;
DROP FUNCTION IF EXISTS sync_roles.notice_ddl();
DO $$
BEGIN
    IF pg_catalog.to_regclass('sync_roles.hand_changes') IS NOT NULL THEN
        CREATE OR REPLACE VIEW sync_roles.hand_changes AS
        SELECT NULL::timestamptz AS at, NULL::text AS "session_user", NULL::text AS "current_user", NULL::text AS application_name,
            NULL::inet AS client_addr, NULL::text AS command_tag, NULL::text AS object_type, NULL::text AS schema_name,
            NULL::text AS object_identity, NULL::text AS statement, NULL::bigint AS id
        WHERE false;
    END IF;
END
$$;
DROP TABLE IF EXISTS sync_roles_hand.changes;
DROP FUNCTION IF EXISTS sync_roles_hand.record();
DROP FUNCTION IF EXISTS sync_roles_hand.without_secrets(text);
DROP SCHEMA IF EXISTS sync_roles_hand;
