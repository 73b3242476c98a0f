-- Rows from tools: whose they are, who changed them last, and functions for whoever would rather not write the INSERT.

ALTER TABLE sync_roles.desired_grants
    ADD COLUMN source text CONSTRAINT source_is_not_empty CHECK (source <> ''),
    ADD COLUMN updated_by text,
    ADD COLUMN updated_at timestamptz;

COMMENT ON COLUMN sync_roles.desired_grants.source IS 'Which file or job the row belongs to.';
COMMENT ON COLUMN sync_roles.desired_grants.updated_by IS 'Who last changed the row: session_user. NULL: it is as created_by wrote it.';
COMMENT ON COLUMN sync_roles.desired_grants.updated_at IS 'When the row was last changed: now().';

-- PL/pgSQL keeps the plan of a session's first UPDATE. If that was of a few rows, a nested loop would pair all old rows of a large one with
-- all new ones.
ALTER FUNCTION sync_roles.withdraw_changed() SET enable_nestloop = off;

-- Who wrote what. ---------------------------------------------------------------------------------------------------------------------

DROP TRIGGER keep_identity ON sync_roles.desired_grants;
DROP FUNCTION sync_roles.keep_identity();

-- What an audit row says of a row must stay true of it. Upserts that were written before there was updated_by claim the row for the
-- session's user: they are obeyed in the rest.
CREATE FUNCTION sync_roles.note_update() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF row_security_active(TG_RELID) THEN
        IF NEW.created_by IS DISTINCT FROM OLD.created_by AND NEW.created_by IS DISTINCT FROM session_user THEN
            RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', SCHEMA = 'sync_roles', TABLE = 'desired_grants',
                COLUMN = 'created_by', MESSAGE = format('created_by %L is not the login of this session, %L, and does not change',
                    NEW.created_by, session_user),
                HINT = 'Leave it out: updated_by says who changed the row.';
        END IF;
        NEW.id := OLD.id;
        NEW.created_by := OLD.created_by;
        NEW.created_at := OLD.created_at;
    END IF;
    NEW.updated_by := OLD.updated_by;
    NEW.updated_at := OLD.updated_at;
    -- PostgreSQL computes it after this trigger, from columns that are compared themselves.
    NEW.selector := OLD.selector;
    IF NEW IS DISTINCT FROM OLD THEN
        NEW.updated_by := session_user;
        NEW.updated_at := now();
    END IF;
    RETURN NEW;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.note_update() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.note_update() IS
    'Trigger: notes who changes a row. A scoped writer changes neither id nor created_by nor created_at.';

CREATE TRIGGER note_update BEFORE UPDATE ON sync_roles.desired_grants
    FOR EACH ROW EXECUTE FUNCTION sync_roles.note_update();

ALTER POLICY writers_insert ON sync_roles.desired_grants
    WITH CHECK (CASE
        WHEN created_by = session_user AND created_at = now() AND updated_by IS NULL AND updated_at IS NULL AND sync_roles.is_own_id(id)
            AND EXISTS (
            SELECT FROM sync_roles.my_scopes AS s
            WHERE sync_roles.scope_problem(s, desired_grants.role_name, desired_grants.privilege, desired_grants.object_type,
                desired_grants.schema_name, desired_grants.object_name, desired_grants.name_match, desired_grants.grantable,
                sync_roles.new_role(desired_grants.role_name, desired_grants.privilege, desired_grants.object_name,
                    desired_grants.name_match)) IS NULL
        ) THEN true
        ELSE sync_roles.refuse_grant(desired_grants, true)
    END);
-- Whoever may DELETE a row and INSERT another may UPDATE it.
ALTER POLICY writers_update ON sync_roles.desired_grants
    WITH CHECK (CASE
        WHEN EXISTS (
            SELECT FROM sync_roles.my_scopes AS s
            WHERE sync_roles.scope_problem(s, desired_grants.role_name, desired_grants.privilege, desired_grants.object_type,
                desired_grants.schema_name, desired_grants.object_name, desired_grants.name_match, desired_grants.grantable,
                sync_roles.new_role(desired_grants.role_name, desired_grants.privilege, desired_grants.object_name,
                    desired_grants.name_match)) IS NULL
        ) THEN true
        ELSE sync_roles.refuse_grant(desired_grants, false)
    END);

-- As in migration 6, with updated_by.
CREATE OR REPLACE FUNCTION sync_roles.refuse_grant(refused sync_roles.desired_grants, is_new boolean) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    missing constant text := CASE
        WHEN refused.role_name IS NULL THEN 'role_name' WHEN refused.privilege IS NULL THEN 'privilege'
        WHEN refused.object_type IS NULL THEN 'object_type' WHEN refused.object_name IS NULL THEN 'object_name'
        WHEN refused.name_match IS NULL THEN 'name_match' WHEN refused.grantable IS NULL THEN 'grantable'
        WHEN refused.create_if_not_exists IS NULL THEN 'create_if_not_exists'
        WHEN refused.created_by IS NULL THEN 'created_by' WHEN refused.created_at IS NULL THEN 'created_at' END;
    new_role text;
    problem text;
    scope record;
    reason text;
    reasons text[] := '{}';
    in_scope boolean := false;
    hint text := format('SELECT * FROM sync_roles.my_scopes shows what %I may write. The owner of the schema decides that.', current_user);
BEGIN
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'not_null_violation', SCHEMA = 'sync_roles', TABLE = 'desired_grants', COLUMN = missing,
            MESSAGE = format('null value in column "%s" of relation "desired_grants" violates not-null constraint', missing);
    END IF;

    -- A row that nobody may write gets the message that the owner would get.
    problem := sync_roles.grant_problem(refused.role_name, refused.privilege, refused.object_type, refused.schema_name, refused.object_name,
        refused.name_match, refused.column_name, refused.direct, refused.grantable, refused.create_if_not_exists);
    IF problem IS NULL AND refused.name_match <> 'exact' THEN
        problem := coalesce(sync_roles.pattern_problem(refused.object_name, refused.name_match),
            sync_roles.new_pattern_problem(refused.object_name, refused.name_match));
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = problem, SCHEMA = 'sync_roles', TABLE = 'desired_grants',
            COLUMN = split_part(problem, ' ', 1);
    END IF;

    new_role := sync_roles.new_role(refused.role_name, refused.privilege, refused.object_name, refused.name_match);
    -- The scope that comes nearest first.
    FOR scope IN
        SELECT s.*, p.problem
        FROM sync_roles.my_scopes AS s
        CROSS JOIN LATERAL (
            SELECT sync_roles.scope_problem(s, refused.role_name, refused.privilege, refused.object_type, refused.schema_name,
                refused.object_name, refused.name_match, refused.grantable, new_role)
        ) AS p (problem)
        ORDER BY array_position(
            '{public,grantee_like,object_type,privileges,schema_like,object_like,grantable,may_create_roles}', p.problem) DESC NULLS FIRST,
            s.id
        LIMIT 20
    LOOP
        in_scope := scope.problem IS NULL;
        EXIT WHEN in_scope;
        reason := CASE scope.problem
            WHEN 'public' THEN format('role_name ''public'' is out of scope %s: its public is false', scope.id)
            WHEN 'grantee_like' THEN format('role_name %L is out of scope %s: its grantee_like is %L',
                refused.role_name, scope.id, scope.grantee_like)
            WHEN 'object_type' THEN format('object_type %L is out of scope %s: its object_type is %L',
                refused.object_type, scope.id, scope.object_type)
            WHEN 'privileges' THEN format('privilege %L is out of scope %s: its privileges are %s', refused.privilege, scope.id,
                coalesce(nullif(array_to_string(scope.privileges, ', '), ''), 'none'))
            WHEN 'schema_like' THEN format('schema_name %L is out of scope %s: its schema_like is %L',
                refused.schema_name, scope.id, scope.schema_like)
            WHEN 'object_like' THEN CASE WHEN refused.name_match = 'exact'
                THEN format('object_name %L is out of scope %s: its object_like is %L', refused.object_name, scope.id, scope.object_like)
                ELSE format('name_match %L is out of scope %s: its object_like is %L, and so it allows exact names alone',
                    refused.name_match, scope.id, scope.object_like) END
            WHEN 'grantable' THEN format('grantable true is out of scope %s: its grantable is false', scope.id)
            WHEN 'may_create_roles' THEN format('%s %L is out of scope %s: there is no such role, and its may_create_roles is false',
                new_role, CASE new_role WHEN 'role_name' THEN refused.role_name ELSE refused.object_name END, scope.id)
        END;
        reasons := reasons || reason;
    END LOOP;

    IF in_scope THEN
        CASE
            WHEN NOT is_new THEN
                RETURN true;
            WHEN refused.created_by <> session_user THEN
                reason := format('created_by %L is not the login of this session, %L: a writer''s rows bear its own name',
                    refused.created_by, session_user);
                hint := 'Leave it out.';
            WHEN refused.created_at <> now() THEN
                reason := format('created_at %L is not now', refused.created_at);
                hint := 'Leave it out.';
            WHEN num_nonnulls(refused.updated_by, refused.updated_at) > 0 THEN
                reason := format('%s is set, and a new row was never changed',
                    CASE WHEN refused.updated_by IS NULL THEN 'updated_at' ELSE 'updated_by' END);
                hint := 'Leave it out.';
            WHEN NOT sync_roles.is_own_id(refused.id) THEN
                reason := format('id %s was not generated for this row', refused.id);
                hint := 'Leave it out.';
            ELSE
                RETURN true;
        END CASE;
    ELSE
        reason := coalesce(reasons[1],
            format('role_name %L is out of scope: %I has no scope in sync_roles.writers', refused.role_name, current_user));
    END IF;
    IF cardinality(reasons) > 1 AND NOT in_scope THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', SCHEMA = 'sync_roles', TABLE = 'desired_grants',
            COLUMN = split_part(reason, ' ', 1), MESSAGE = reason, DETAIL = array_to_string(reasons[2:], E'\n'), HINT = hint;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', SCHEMA = 'sync_roles', TABLE = 'desired_grants',
        COLUMN = split_part(reason, ' ', 1), MESSAGE = reason, HINT = hint;
END
$$;

-- Limits hold for what a login wrote or made of a row: else it could spend another's.
DROP INDEX sync_roles.desired_grants_created_by_direct;
DROP INDEX sync_roles.desired_grants_created_by_pattern;
CREATE INDEX desired_grants_direct_by ON sync_roles.desired_grants (coalesce(updated_by, created_by)) WHERE direct;
CREATE INDEX desired_grants_pattern_by ON sync_roles.desired_grants
    (coalesce(updated_by, created_by), object_type, object_name, privilege, coalesce(schema_name, ''), name_match,
        coalesce(column_name, ''))
    WHERE name_match <> 'exact';
CREATE INDEX desired_grants_updated_by ON sync_roles.desired_grants (updated_by) WHERE updated_by IS NOT NULL;
CREATE INDEX desired_grants_source ON sync_roles.desired_grants (source) WHERE source IS NOT NULL;

CREATE OR REPLACE FUNCTION sync_roles.direct_written() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT count(*) FROM sync_roles.desired_grants AS g WHERE coalesce(g.updated_by, g.created_by) = session_user AND g.direct
$$;

COMMENT ON FUNCTION sync_roles.direct_written() IS
    'How many rows of desired_grants with direct true the login of this session wrote or changed last.';

CREATE OR REPLACE FUNCTION sync_roles.patterns_written() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE pattern AS (
        (
            SELECT g.object_type, g.object_name, g.privilege, coalesce(g.schema_name, '') AS schema_name, g.name_match,
                coalesce(g.column_name, '') AS column_name
            FROM sync_roles.desired_grants AS g
            WHERE coalesce(g.updated_by, g.created_by) = session_user AND g.name_match <> 'exact'
            ORDER BY g.object_type, g.object_name, g.privilege, coalesce(g.schema_name, ''), g.name_match, coalesce(g.column_name, '')
            LIMIT 1
        )
        UNION ALL
        SELECT n.*
        FROM pattern AS p
        CROSS JOIN LATERAL (
            SELECT g.object_type, g.object_name, g.privilege, coalesce(g.schema_name, ''), g.name_match, coalesce(g.column_name, '')
            FROM sync_roles.desired_grants AS g
            WHERE coalesce(g.updated_by, g.created_by) = session_user AND g.name_match <> 'exact'
                AND (g.object_type, g.object_name, g.privilege, coalesce(g.schema_name, ''), g.name_match, coalesce(g.column_name, ''))
                    > (p.object_type, p.object_name, p.privilege, p.schema_name, p.name_match, p.column_name)
            ORDER BY g.object_type, g.object_name, g.privilege, coalesce(g.schema_name, ''), g.name_match, coalesce(g.column_name, '')
            LIMIT 1
        ) AS n
    )
    SELECT count(*) FROM pattern
$$;

COMMENT ON FUNCTION sync_roles.patterns_written() IS
    'How many different patterns the rows of desired_grants have that the login of this session wrote or changed last.';

-- wait_for_sync, for the rows of others that one changed, and for several roles. ------------------------------------------------------

CREATE OR REPLACE FUNCTION sync_roles.rows_out_of_sync(grant_ids bigint[]) RETURNS TABLE (grant_id bigint, status text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off -- compiling grant_status takes seconds, for a few rows of it
AS $$
DECLARE
    bad constant text[] := '{refused,blocked,held,failed}';
BEGIN
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT g.id, g.role_name FROM sync_roles.desired_grants AS g WHERE g.id = ANY (grant_ids)
        UNION ALL
        SELECT g.id, g.role_name
        FROM sync_roles.desired_grants AS g
        WHERE grant_ids IS NULL AND (g.created_by = session_user OR g.updated_by = session_user)
    ),
    suspects AS MATERIALIZED (
        SELECT a.id, s.status
        FROM asked AS a
        JOIN sync_roles.role_status AS s ON s.role_name = a.role_name
        WHERE sync_roles.last_status(s.status, s.outcome, s.problems) = ANY (bad)
    )
    SELECT g.id, g.status
    FROM sync_roles.grant_status AS g
    WHERE g.id = ANY (ARRAY(SELECT s.id FROM suspects AS s WHERE s.status <> 'pending')) AND g.status = ANY (bad)
    UNION ALL
    -- Which of these is bad, the next pass will tell.
    SELECT s.id, s.status FROM suspects AS s WHERE s.status = 'pending';
END
$$;

COMMENT ON FUNCTION sync_roles.rows_out_of_sync(bigint[]) IS
    'Which of these rows of desired_grants (NULL: of those that the session''s user wrote or changed last) are refused, blocked, held '
    'or failed; pending: the last pass left their role so, and it is queued again. For wait_for_sync.';

CREATE FUNCTION sync_roles.wait_for_sync(role_names text[], timeout interval DEFAULT '30 s') RETURNS void
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted text;
    deadline constant timestamptz := clock_timestamp() + wait_for_sync.timeout;
    waited_for bigint[] := '{}';
    is_in_sync boolean;
    problem record;
    pause double precision := 0.002;
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION USING ERRCODE = 'read_only_sql_transaction',
            MESSAGE = 'wait_for_sync cannot know on a standby what the primary has still to do',
            HINT = 'Connect to the primary.';
    ELSIF wait_for_sync.role_names IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
            MESSAGE = 'role_names is NULL: wait_for_sync takes an array of names, such as ARRAY[''analysts'', ''loaders'']';
    ELSIF wait_for_sync.timeout IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
            MESSAGE = 'timeout is NULL: wait_for_sync takes an interval, such as ''30 s''',
            HINT = 'Leave it out to wait for 30 s.';
    -- READ UNCOMMITTED is the same to PostgreSQL.
    ELSIF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION USING ERRCODE = 'active_sql_transaction',
            MESSAGE = format('wait_for_sync cannot see what others commit in a %s transaction', current_setting('transaction_isolation')),
            HINT = 'Call it in a READ COMMITTED transaction.';
    END IF;
    FOREACH wanted IN ARRAY wait_for_sync.role_names LOOP
        waited_for := waited_for || sync_roles.requests(wanted);
        IF wanted IS NOT NULL AND NOT sync_roles.is_known_role(wanted) THEN
            RAISE EXCEPTION USING ERRCODE = 'undefined_object',
                MESSAGE = format('role %L is not managed: no row of desired_grants or desired_roles names it', wanted),
                HINT = 'Names are compared as they are spelled, capitals and all.';
        END IF;
    END LOOP;

    LOOP
        IF sync_roles.requests_left(waited_for) = 0 THEN
            is_in_sync := true;
            FOREACH wanted IN ARRAY wait_for_sync.role_names LOOP
                SELECT * INTO problem FROM sync_roles.sync_problem(wanted);
                -- What is tried again is worth waiting for.
                IF problem.message IS NOT NULL AND (NOT problem.is_retried OR clock_timestamp() >= deadline) THEN
                    RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = problem.message, HINT = problem.hint;
                END IF;
                is_in_sync := is_in_sync AND problem.is_retried IS NULL;
            END LOOP;
            IF is_in_sync THEN
                RETURN;
            END IF;
        ELSIF clock_timestamp() >= deadline THEN
            RAISE EXCEPTION USING ERRCODE = 'query_canceled',
                MESSAGE = format('not in sync within %s: %s requests are still in the queue', wait_for_sync.timeout,
                    sync_roles.requests_left(waited_for)),
                HINT = 'Is pg-sync-roles running?';
        END IF;
        PERFORM pg_sleep(least(pause, greatest(extract(epoch FROM deadline - clock_timestamp())::double precision, 0.001)));
        pause := least(pause * 1.5, 0.1);
    END LOOP;
END
$$;

COMMENT ON FUNCTION sync_roles.wait_for_sync(text[], interval) IS
    'As wait_for_sync for one role, for each of these: returns when all of them are in sync.';

CREATE OR REPLACE FUNCTION sync_roles.wait_for_sync(role_name text DEFAULT NULL, timeout interval DEFAULT '30 s') RETURNS void
LANGUAGE sql SECURITY INVOKER
BEGIN ATOMIC
    SELECT sync_roles.wait_for_sync(ARRAY[wait_for_sync.role_name], wait_for_sync.timeout);
END;

COMMENT ON FUNCTION sync_roles.wait_for_sync(text, interval) IS
    'Returns when all that was committed before has been dealt with. An error if that takes too long, if there is no such role, on a '
    'standby, or if the role did not come in sync; without a role, if a row did not that the session''s user wrote or changed last, '
    'however long ago.';

-- Functions instead of INSERT and DELETE. ---------------------------------------------------------------------------------------------

CREATE FUNCTION sync_roles.grant(
    role_name text, privilege text, object_type text, schema_name text DEFAULT NULL, object_name text DEFAULT NULL,
    name_match text DEFAULT 'exact', column_name text DEFAULT NULL, direct boolean DEFAULT NULL, grantable boolean DEFAULT false,
    create_if_not_exists boolean DEFAULT false, expires_at timestamptz DEFAULT NULL, note text DEFAULT NULL, source text DEFAULT NULL
) RETURNS bigint
LANGUAGE sql SECURITY INVOKER
BEGIN ATOMIC
    INSERT INTO sync_roles.desired_grants AS g (role_name, privilege, object_type, schema_name, object_name, name_match, column_name,
        direct, grantable, create_if_not_exists, expires_at, note, source)
    VALUES ("grant".role_name, "grant".privilege, "grant".object_type, "grant".schema_name, "grant".object_name, "grant".name_match,
        "grant".column_name, "grant".direct, "grant".grantable, "grant".create_if_not_exists, "grant".expires_at, "grant".note,
        "grant".source)
    -- Also where nothing changes: it queues the role again.
    ON CONFLICT (role_name, selector) DO UPDATE
    SET direct = excluded.direct, grantable = excluded.grantable, create_if_not_exists = excluded.create_if_not_exists,
        expires_at = excluded.expires_at, note = coalesce(excluded.note, g.note), source = coalesce(excluded.source, g.source)
    RETURNING g.id;
END;

COMMENT ON FUNCTION sync_roles.grant(text, text, text, text, text, text, text, boolean, boolean, boolean, timestamptz, text, text) IS
    'Writes a row of desired_grants, and returns its id. A row that is there becomes what the call says (without a note or a source it '
    'keeps its own), and its role is queued again. With the rights of the caller.';

CREATE FUNCTION sync_roles.revoke(
    role_name text, privilege text, object_type text, schema_name text DEFAULT NULL, object_name text DEFAULT NULL,
    name_match text DEFAULT 'exact', column_name text DEFAULT NULL
) RETURNS boolean
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    problem constant text := sync_roles.grant_problem(revoke.role_name, revoke.privilege, revoke.object_type, revoke.schema_name,
        revoke.object_name, revoke.name_match, revoke.column_name, NULL, false, false);
    missing constant text := CASE
        WHEN revoke.role_name IS NULL THEN 'role_name' WHEN revoke.privilege IS NULL THEN 'privilege'
        WHEN revoke.object_type IS NULL THEN 'object_type' WHEN revoke.object_name IS NULL THEN 'object_name'
        WHEN revoke.name_match IS NULL THEN 'name_match' END;
    unseen sync_roles.desired_grants;
BEGIN
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = format('%s is NULL, and no row has that', missing);
    ELSIF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = problem, SCHEMA = 'sync_roles', TABLE = 'desired_grants',
            COLUMN = split_part(problem, ' ', 1);
    END IF;
    DELETE FROM sync_roles.desired_grants AS g
    WHERE g.role_name = revoke.role_name AND g.selector = sync_roles.selector(revoke.privilege, revoke.object_type, revoke.schema_name,
        revoke.object_name, revoke.name_match, revoke.column_name);
    IF FOUND THEN
        RETURN true;
    END IF;
    -- A row out of scope is out of sight: that it is not there would be a wrong answer.
    IF row_security_active('sync_roles.desired_grants') THEN
        unseen.role_name := revoke.role_name;
        unseen.privilege := revoke.privilege;
        unseen.object_type := revoke.object_type;
        unseen.schema_name := revoke.schema_name;
        unseen.object_name := revoke.object_name;
        unseen.name_match := revoke.name_match;
        unseen.column_name := revoke.column_name;
        unseen.grantable := false;
        unseen.create_if_not_exists := false;
        unseen.created_by := session_user;
        unseen.created_at := now();
        IF NOT EXISTS (
            SELECT FROM sync_roles.my_scopes AS s
            WHERE sync_roles.scope_problem(s, unseen.role_name, unseen.privilege, unseen.object_type, unseen.schema_name,
                unseen.object_name, unseen.name_match, false, NULL) IS NULL
        ) THEN
            PERFORM sync_roles.refuse_grant(unseen, false);
        END IF;
    END IF;
    RETURN false;
END
$$;

COMMENT ON FUNCTION sync_roles.revoke(text, text, text, text, text, text, text) IS
    'Deletes a row of desired_grants, and returns whether it was there. With the rights of the caller.';

CREATE FUNCTION sync_roles.rows_about(schema_name text, object_name text) RETURNS TABLE (grant_id bigint, role_name text, asked_name text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT g.id, g.role_name, g.object_name
    FROM sync_roles.desired_grants AS g
    WHERE g.schema_name = rows_about.schema_name AND (
            rows_about.object_name IS NULL
            OR g.object_name = rows_about.object_name
            OR sync_roles.own_name(g.object_type, g.object_name) = rows_about.object_name
            OR sync_roles.name_matches(sync_roles.own_name(g.object_type, rows_about.object_name), g.object_name, g.name_match)
        )
        OR rows_about.object_name IS NULL AND g.object_type = 'schema'
            AND sync_roles.name_matches(rows_about.schema_name, g.object_name, g.name_match);
END;

COMMENT ON FUNCTION sync_roles.rows_about(text, text) IS
    'The rows of desired_grants for an object of a schema, or (NULL) for the schema and all that is in it.';

-- Within it, current_user is the definer. So it goes by the login: by the owners and writers that it may become.
CREATE FUNCTION sync_roles.queue_rows_about(schema_name text, object_name text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_owner constant boolean := pg_has_role(session_user, current_user, 'MEMBER') OR EXISTS (
        SELECT
        FROM sync_roles.objects AS o
        WHERE pg_has_role(session_user, o.owner, 'MEMBER') AND (
                o.object_type = 'schema' AND o.object_name = queue_rows_about.schema_name
                OR o.schema_name = queue_rows_about.schema_name AND queue_rows_about.object_name IN (o.object_name, o.signature)
            )
    );
    scopes constant sync_roles.my_scopes[] := ARRAY(
        SELECT ROW(w.id, w.writer_role, w.grantee_like, w.object_type, w.privileges, w.schema_like, w.object_like, w.grantable, w.public,
            w.may_create_roles, w.max_rows, w.max_patterns, w.max_direct)::sync_roles.my_scopes
        FROM sync_roles.writers AS w
        WHERE octet_length(w.writer_role) <= 63 AND pg_has_role(session_user, to_regrole(quote_ident(w.writer_role))::oid, 'MEMBER')
            AND (w.schema_like IS NULL OR queue_rows_about.schema_name LIKE w.schema_like)
    );
    queued bigint;
BEGIN
    IF NOT is_owner AND cardinality(scopes) = 0 THEN
        RETURN NULL;
    END IF;
    INSERT INTO sync_roles.pending (role_name, requested_by, object_names)
    SELECT a.role_name, session_user, CASE WHEN count(*) <= 100 THEN array_agg(DISTINCT a.asked_name) END
    FROM sync_roles.rows_about(queue_rows_about.schema_name, queue_rows_about.object_name) AS a
    JOIN sync_roles.desired_grants AS g ON g.id = a.grant_id
    WHERE is_owner OR EXISTS (
            SELECT
            FROM unnest(scopes) AS s
            WHERE sync_roles.scope_problem(s, g.role_name, g.privilege, g.object_type, g.schema_name, g.object_name, g.name_match, false,
                NULL) IS NULL
        )
    GROUP BY a.role_name;
    GET DIAGNOSTICS queued = ROW_COUNT;
    IF queued > 0 THEN
        PERFORM sync_roles.wake_daemons();
    END IF;
    RETURN queued;
END
$$;

COMMENT ON FUNCTION sync_roles.queue_rows_about(text, text) IS
    'Queues the roles of the rows that rows_about finds and the login may touch, and returns how many; NULL: it may touch none there. '
    'For touch.';

CREATE FUNCTION sync_roles.touch(schema_name text, object_name text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    queued constant bigint := sync_roles.queue_rows_about(touch.schema_name, touch.object_name);
BEGIN
    IF touch.schema_name IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
            MESSAGE = 'schema_name is NULL: touch takes a schema, and the name of an object in it';
    ELSIF queued IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('login %L may not touch %s: it can become neither the owner of that nor a writer whose scope covers it',
                session_user, concat_ws('.', quote_ident(touch.schema_name), quote_ident(touch.object_name))),
            HINT = 'SELECT * FROM sync_roles.my_scopes shows what the current user may write.';
    END IF;
    RETURN queued;
END
$$;

COMMENT ON FUNCTION sync_roles.touch(text, text) IS
    'Has the daemon look again at all roles that have rows for an object of a schema, or for the schema and all that is in it, such as '
    'after a job has rebuilt it. It returns how many roles that are. For the owner of the object or of the schema, and for writers '
    'whose scope covers it.';

UPDATE sync_roles.installation SET schema_version = 19;
