-- Event triggers that tell the daemon of new, altered and dropped objects, and of grants by hand, as soon as they are committed.
-- Run by a superuser, who owns the function: whoever owned it otherwise could make superusers run anything.
DROP EVENT TRIGGER IF EXISTS sync_roles_ddl;
DROP EVENT TRIGGER IF EXISTS sync_roles_drop;

-- The hint says only that something changed. It must not cost anybody a statement, whatever happens.
CREATE OR REPLACE FUNCTION sync_roles.notice_ddl() RETURNS event_trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- What the daemon itself does is no news.
    IF current_setting('sync_roles.daemon', true) = 'on' THEN
        RETURN;
    END IF;
    -- A transaction that has notified cannot be prepared.
    IF current_setting('max_prepared_transactions')::integer > 0 THEN
        RETURN;
    END IF;
    IF TG_EVENT = 'sql_drop' THEN
        IF NOT EXISTS (SELECT FROM pg_event_trigger_dropped_objects() AS d WHERE NOT d.is_temporary) THEN
            RETURN;
        END IF;
    -- GRANT and REVOKE do not say on what.
    ELSIF NOT EXISTS (SELECT FROM pg_event_trigger_ddl_commands() AS c WHERE c.schema_name IS DISTINCT FROM 'pg_temp') THEN
        RETURN;
    END IF;
    PERFORM pg_notify('sync_roles', 'ddl');
EXCEPTION
    WHEN OTHERS THEN
        RETURN;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.notice_ddl() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.notice_ddl() IS 'Event trigger: tells the daemon that objects or privileges have changed.';

CREATE EVENT TRIGGER sync_roles_ddl ON ddl_command_end
    WHEN TAG IN (
        'ALTER AGGREGATE', 'ALTER DOMAIN', 'ALTER FOREIGN DATA WRAPPER', 'ALTER FOREIGN TABLE', 'ALTER FUNCTION', 'ALTER LANGUAGE', 'ALTER LARGE OBJECT',
        'ALTER MATERIALIZED VIEW', 'ALTER PROCEDURE', 'ALTER ROUTINE', 'ALTER SCHEMA', 'ALTER SEQUENCE', 'ALTER SERVER', 'ALTER TABLE', 'ALTER TYPE', 'ALTER VIEW',
        'CREATE AGGREGATE', 'CREATE DOMAIN', 'CREATE EXTENSION', 'CREATE FOREIGN DATA WRAPPER', 'CREATE FOREIGN TABLE', 'CREATE FUNCTION', 'CREATE LANGUAGE',
        'CREATE MATERIALIZED VIEW', 'CREATE PROCEDURE', 'CREATE SCHEMA', 'CREATE SEQUENCE', 'CREATE SERVER', 'CREATE TABLE', 'CREATE TABLE AS', 'CREATE TYPE',
        'CREATE VIEW', 'IMPORT FOREIGN SCHEMA', 'SELECT INTO', 'GRANT', 'REVOKE'
    )
    EXECUTE FUNCTION sync_roles.notice_ddl();
CREATE EVENT TRIGGER sync_roles_drop ON sql_drop
    EXECUTE FUNCTION sync_roles.notice_ddl();

COMMENT ON EVENT TRIGGER sync_roles_ddl IS 'Tells the daemon of pg-sync-roles that objects or privileges have changed.';
COMMENT ON EVENT TRIGGER sync_roles_drop IS 'Tells the daemon of pg-sync-roles that objects are gone.';
