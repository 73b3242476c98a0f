-- Event triggers that tell the daemon of new, altered and dropped objects, and of grants by hand, as soon as they are committed.
--
-- Event triggers run in the sessions of superusers too. So whoever runs this makes the function that they call, in this very transaction,
-- and owns it: one
-- that was there could be another role's, and CREATE OR REPLACE would leave it so. The schema's owner can drop it, and the event triggers
-- with it, and
-- nothing else. The last statement makes sure that the schema was not renamed, and another put in its place, while this ran.
DROP EVENT TRIGGER IF EXISTS sync_roles_ddl;
DROP EVENT TRIGGER IF EXISTS sync_roles_drop;
DROP FUNCTION IF EXISTS sync_roles.notice_ddl();

-- The hint says only that something changed. It must not cost a statement, whatever happens.
CREATE FUNCTION sync_roles.notice_ddl() RETURNS event_trigger
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
        'ALTER AGGREGATE', 'ALTER DOMAIN', 'ALTER FOREIGN DATA WRAPPER', 'ALTER FOREIGN TABLE', 'ALTER FUNCTION', 'ALTER LANGUAGE',
            'ALTER LARGE OBJECT',
        'ALTER MATERIALIZED VIEW', 'ALTER PROCEDURE', 'ALTER ROUTINE', 'ALTER SCHEMA', 'ALTER SEQUENCE', 'ALTER SERVER', 'ALTER TABLE',
            'ALTER TYPE', 'ALTER VIEW',
        'CREATE AGGREGATE', 'CREATE DOMAIN', 'CREATE EXTENSION', 'CREATE FOREIGN DATA WRAPPER', 'CREATE FOREIGN TABLE', 'CREATE FUNCTION',
            'CREATE LANGUAGE',
        'CREATE MATERIALIZED VIEW', 'CREATE PROCEDURE', 'CREATE SCHEMA', 'CREATE SEQUENCE', 'CREATE SERVER', 'CREATE TABLE',
            'CREATE TABLE AS', 'CREATE TYPE',
        'CREATE VIEW', 'IMPORT FOREIGN SCHEMA', 'SELECT INTO', 'GRANT', 'REVOKE'
    )
    EXECUTE FUNCTION sync_roles.notice_ddl();
CREATE EVENT TRIGGER sync_roles_drop ON sql_drop
    EXECUTE FUNCTION sync_roles.notice_ddl();

COMMENT ON EVENT TRIGGER sync_roles_ddl IS 'Tells the daemon of pg-sync-roles that objects or privileges have changed.';
COMMENT ON EVENT TRIGGER sync_roles_drop IS 'Tells the daemon of pg-sync-roles that objects are gone.';

DO $$
BEGIN
    IF (
        SELECT count(*)
        FROM pg_catalog.pg_event_trigger AS e
        JOIN pg_catalog.pg_proc AS p ON p.oid = e.evtfoid
        JOIN pg_catalog.pg_roles AS r ON r.oid = p.proowner AND r.rolname = current_user
        WHERE e.evtname IN ('sync_roles_ddl', 'sync_roles_drop')
            AND p.xmin = pg_catalog.pg_current_xact_id()::xid
    ) <> 2 THEN
        RAISE EXCEPTION USING ERRCODE = 'object_in_use',
            MESSAGE = 'schema sync_roles was renamed or replaced while the event triggers were created: try again, and find out by whom';
    END IF;
END
$$;
