-- Event triggers that tell the daemon of new, altered and dropped objects, and of grants by hand, as soon as they are committed.
--
-- Event triggers run in the sessions of superusers too. So whoever runs this makes the function that they call, in this very transaction,
-- and owns it: one
-- that was there could be another role's, and CREATE OR REPLACE would leave it so. The schema's owner can drop it, and the event triggers
-- with it, and
-- nothing else. The last statement makes sure that the schema was not renamed, and another put in its place, while this ran.
DROP EVENT TRIGGER IF EXISTS sync_roles_ddl;
DROP EVENT TRIGGER IF EXISTS sync_roles_drop;
DROP EVENT TRIGGER IF EXISTS sync_roles_hand;
DROP EVENT TRIGGER IF EXISTS sync_roles_hand_drop;
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

-- Who changes privileges by hand is recorded by a function with the rights of whoever runs this, because sessions have none in this
-- schema. It writes to a table in a schema that belongs to the same role: the owner of sync_roles could put triggers on a table of its
-- own, or another table in its place, and they would run with these rights.
CREATE SCHEMA IF NOT EXISTS sync_roles_hand;
REVOKE ALL ON SCHEMA sync_roles_hand FROM PUBLIC;
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_namespace AS n
        JOIN pg_catalog.pg_roles AS r ON r.oid = n.nspowner AND r.rolname = current_user
        WHERE n.nspname = 'sync_roles_hand'
            AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_class AS c WHERE c.relnamespace = n.oid AND c.relowner <> n.nspowner
                UNION ALL
                SELECT FROM pg_catalog.pg_proc AS p WHERE p.pronamespace = n.oid AND p.proowner <> n.nspowner
            )
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'object_in_use',
            MESSAGE = pg_catalog.format('schema sync_roles_hand, or something in it, does not belong to %I', current_user),
            HINT = 'Who made it removes it: migrate --event-triggers=false.';
    END IF;
END
$$;

CREATE TABLE IF NOT EXISTS sync_roles_hand.changes (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at               timestamptz NOT NULL,
    session_name     text NOT NULL,
    current_name     text NOT NULL,
    application_name text,
    client_addr      inet,
    command_tag      text NOT NULL,
    object_type      text,
    schema_name      text,
    object_identity  text,
    statement        text NOT NULL
);
CREATE INDEX IF NOT EXISTS changes_at ON sync_roles_hand.changes USING brin (at);
COMMENT ON SCHEMA sync_roles_hand IS 'Changes by hand that the event triggers of pg-sync-roles record: see sync_roles.hand_changes.';
COMMENT ON TABLE sync_roles_hand.changes IS 'As sync_roles.hand_changes.';
REVOKE ALL ON sync_roles_hand.changes FROM PUBLIC;

-- A string can hold a password wherever the word is in the statement. What cannot be told from a string is left out whole.
CREATE OR REPLACE FUNCTION sync_roles_hand.without_secrets(statement text) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
SET standard_conforming_strings = on
AS $$
    SELECT CASE
        WHEN statement !~* 'passw|scram-sha|secret|md5|token' THEN left(statement, 2000)
        WHEN strpos(statement, '$') > 0 OR strpos(statement, chr(92)) > 0 OR length(statement) > 100000
            THEN '(left out: it may hold a password)'
        ELSE left(regexp_replace(statement, '''[^'']*(''|$)', '''***''', 'g'), 2000)
    END
$$;

-- It must not cost a statement, whatever happens.
CREATE OR REPLACE FUNCTION sync_roles_hand.record() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET standard_conforming_strings = on
AS $$
DECLARE
    query constant text := left(coalesce(current_query(), ''), 200000);
    outer_role constant text := coalesce(nullif(current_setting('role', true), 'none'), session_user);
    client inet := inet_client_addr();
BEGIN
    -- What the daemon itself does: only its own login can say so.
    IF current_setting('sync_roles.daemon', true) = 'on' AND EXISTS (
        SELECT FROM pg_namespace AS n WHERE n.nspname = 'sync_roles' AND pg_has_role(session_user, n.nspowner, 'MEMBER')
    ) THEN
        RETURN;
    END IF;
    IF TG_EVENT = 'sql_drop' THEN
        INSERT INTO sync_roles_hand.changes (at, session_name, current_name, application_name, client_addr, command_tag, object_type,
            schema_name, object_identity, statement)
        SELECT clock_timestamp(), session_user, outer_role, left(current_setting('application_name'), 200), client, TG_TAG, d.object_type,
            d.schema_name, left(d.object_identity, 500), sync_roles_hand.without_secrets(query)
        FROM pg_event_trigger_dropped_objects() AS d
        WHERE d.original AND NOT d.is_temporary
            AND d.object_type IN ('table', 'view', 'materialized view', 'foreign table', 'sequence', 'function', 'procedure', 'aggregate',
                'type', 'schema', 'foreign-data wrapper', 'server', 'language')
        LIMIT 100;
        RETURN;
    END IF;
    -- Of ALTER, what names privileges hang on. In a function's body it can be anything.
    IF TG_TAG LIKE 'ALTER %' AND TG_TAG <> 'ALTER DEFAULT PRIVILEGES' AND query ~* '^[[:space:]]*alter[[:space:]]'
        AND query !~* '(owner|rename|schema)' THEN
        RETURN;
    END IF;
    INSERT INTO sync_roles_hand.changes (at, session_name, current_name, application_name, client_addr, command_tag, object_type,
        schema_name, object_identity, statement)
    SELECT clock_timestamp(), session_user, outer_role, left(current_setting('application_name'), 200), client, TG_TAG, c.object_type,
        c.schema_name, left(c.object_identity, 500), sync_roles_hand.without_secrets(query)
    FROM pg_event_trigger_ddl_commands() AS c
    WHERE c.schema_name IS DISTINCT FROM 'pg_temp'
    LIMIT 100;
EXCEPTION
    WHEN OTHERS THEN
        RETURN;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles_hand.without_secrets(text), sync_roles_hand.record() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles_hand.without_secrets(text) IS 'The beginning of a statement, without what may be a password.';
COMMENT ON FUNCTION sync_roles_hand.record() IS 'Event trigger: records who changes privileges, owners and objects by hand.';

CREATE EVENT TRIGGER sync_roles_hand ON ddl_command_end
    WHEN TAG IN (
        'ALTER AGGREGATE', 'ALTER DEFAULT PRIVILEGES', 'ALTER DOMAIN', 'ALTER FOREIGN DATA WRAPPER', 'ALTER FOREIGN TABLE',
            'ALTER FUNCTION', 'ALTER LANGUAGE',
        'ALTER LARGE OBJECT', 'ALTER MATERIALIZED VIEW', 'ALTER PROCEDURE', 'ALTER ROUTINE', 'ALTER SCHEMA', 'ALTER SEQUENCE',
            'ALTER SERVER', 'ALTER TABLE', 'ALTER TYPE', 'ALTER VIEW',
        'GRANT', 'REVOKE'
    )
    EXECUTE FUNCTION sync_roles_hand.record();
CREATE EVENT TRIGGER sync_roles_hand_drop ON sql_drop
    EXECUTE FUNCTION sync_roles_hand.record();

COMMENT ON EVENT TRIGGER sync_roles_hand IS 'Records changes of privileges and owners by hand, for pg-sync-roles.';
COMMENT ON EVENT TRIGGER sync_roles_hand_drop IS 'Records dropped objects, for pg-sync-roles.';

DO $$
DECLARE
    owner constant name := (
        SELECT r.rolname
        FROM pg_catalog.pg_namespace AS n
        JOIN pg_catalog.pg_roles AS r ON r.oid = n.nspowner
        WHERE n.nspname = 'sync_roles'
    );
BEGIN
    EXECUTE pg_catalog.format('GRANT USAGE ON SCHEMA sync_roles_hand TO %I', owner);
    EXECUTE pg_catalog.format('GRANT SELECT, DELETE ON sync_roles_hand.changes TO %I', owner);
    -- It stays the owner's, who reads with it.
    IF pg_catalog.to_regclass('sync_roles.hand_changes') IS NOT NULL THEN
        CREATE OR REPLACE VIEW sync_roles.hand_changes AS
        SELECT c.at, c.session_name AS "session_user", c.current_name AS "current_user", c.application_name, c.client_addr, c.command_tag,
            c.object_type, c.schema_name, c.object_identity, c.statement, c.id
        FROM sync_roles_hand.changes AS c;
    END IF;
END
$$;

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
