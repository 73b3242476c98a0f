-- What a writer may write and see, which is what one of its scopes allows; and how much of it.
--
-- Policies and what they call run with the writer's rights, so the writer is current_user, also inside of others' functions.

-- A LIKE pattern whose last character escapes nothing is an error each time that it is used.
CREATE FUNCTION sync_roles.ends_in_escape(pattern text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN length(substring(pattern FROM E'[\\\\]*$')) % 2 = 1;

COMMENT ON FUNCTION sync_roles.ends_in_escape(text) IS 'Whether a LIKE pattern ends with a backslash that escapes nothing.';

ALTER TABLE sync_roles.writers
    ADD COLUMN public boolean NOT NULL DEFAULT false,
    ADD COLUMN may_create_roles boolean NOT NULL DEFAULT false,
    ADD COLUMN max_rows bigint NOT NULL DEFAULT 1000000,
    ADD COLUMN max_patterns integer NOT NULL DEFAULT 200,
    ADD COLUMN max_direct integer NOT NULL DEFAULT 1000;

COMMENT ON COLUMN sync_roles.writers.public IS 'Whether rows for PUBLIC are allowed, whatever grantee_like says.';
COMMENT ON COLUMN sync_roles.writers.may_create_roles IS 'Whether rows may name roles that do not exist yet, as grantee or as the role of a MEMBER row: the daemon creates them.';
COMMENT ON COLUMN sync_roles.writers.max_rows IS 'How many rows of desired_grants a login may have written, by created_by. Of several scopes that allow a row, the greatest counts.';
COMMENT ON COLUMN sync_roles.writers.max_patterns IS 'How many different patterns a login''s rows may have: one for each intermediate role that they need. However many roles have the same pattern, it counts once.';
COMMENT ON COLUMN sync_roles.writers.max_direct IS 'How many rows with direct true a login may have written.';

-- Who named PUBLIC alone meant it.
UPDATE sync_roles.writers SET public = true WHERE grantee_like = 'public';
-- A pattern that ended in an escape stopped its writer. It can only have meant the character.
UPDATE sync_roles.writers
SET grantee_like = grantee_like || CASE WHEN sync_roles.ends_in_escape(grantee_like) THEN E'\\' ELSE '' END,
    schema_like = schema_like || CASE WHEN sync_roles.ends_in_escape(schema_like) THEN E'\\' ELSE '' END,
    object_like = object_like || CASE WHEN sync_roles.ends_in_escape(object_like) THEN E'\\' ELSE '' END
WHERE sync_roles.ends_in_escape(grantee_like) OR sync_roles.ends_in_escape(schema_like) OR sync_roles.ends_in_escape(object_like);

ALTER TABLE sync_roles.writers
    ADD CONSTRAINT grantee_like_ends_in_a_backslash_that_escapes_nothing CHECK (NOT sync_roles.ends_in_escape(grantee_like)),
    ADD CONSTRAINT schema_like_ends_in_a_backslash_that_escapes_nothing CHECK (NOT sync_roles.ends_in_escape(schema_like)),
    ADD CONSTRAINT object_like_ends_in_a_backslash_that_escapes_nothing CHECK (NOT sync_roles.ends_in_escape(object_like));

-- Every role may read this view, and finds its own scopes: a view reads tables with its owner's rights, and current_user stays the caller.
-- MATERIALIZED: a statement with a million rows asks once whose scopes apply, and no caller's function sees those of others.
CREATE VIEW sync_roles.my_scopes WITH (security_barrier) AS
WITH mine AS MATERIALIZED (
    SELECT w.id, w.writer_role, w.grantee_like, w.object_type, w.privileges, w.schema_like, w.object_like, w.grantable,
        w.public, w.may_create_roles, w.max_rows, w.max_patterns, w.max_direct
    FROM sync_roles.writers AS w
    -- Not a join with pg_roles, which would ask about each role of the cluster. A longer name would be cut to that of another role.
    WHERE octet_length(w.writer_role) <= 63 AND pg_has_role(to_regrole(quote_ident(w.writer_role))::oid, 'USAGE')
)
SELECT m.id, m.writer_role, m.grantee_like, m.object_type, m.privileges, m.schema_like, m.object_like, m.grantable,
    m.public, m.may_create_roles, m.max_rows, m.max_patterns, m.max_direct
FROM mine AS m;

GRANT SELECT ON sync_roles.my_scopes TO PUBLIC;
COMMENT ON VIEW sync_roles.my_scopes IS 'The rows of writers that are the current user''s: what it may see and write in desired_grants.';
COMMENT ON COLUMN sync_roles.my_scopes.id IS 'As in writers.';
COMMENT ON COLUMN sync_roles.my_scopes.writer_role IS 'As in writers.';
COMMENT ON COLUMN sync_roles.my_scopes.grantee_like IS 'As in writers.';
COMMENT ON COLUMN sync_roles.my_scopes.object_type IS 'As in writers.';
COMMENT ON COLUMN sync_roles.my_scopes.privileges IS 'As in writers.';
COMMENT ON COLUMN sync_roles.my_scopes.schema_like IS 'As in writers.';
COMMENT ON COLUMN sync_roles.my_scopes.object_like IS 'As in writers.';
COMMENT ON COLUMN sync_roles.my_scopes.grantable IS 'As in writers.';
COMMENT ON COLUMN sync_roles.my_scopes.public IS 'As in writers.';
COMMENT ON COLUMN sync_roles.my_scopes.may_create_roles IS 'As in writers.';
COMMENT ON COLUMN sync_roles.my_scopes.max_rows IS 'As in writers.';
COMMENT ON COLUMN sync_roles.my_scopes.max_patterns IS 'As in writers.';
COMMENT ON COLUMN sync_roles.my_scopes.max_direct IS 'As in writers.';

-- The rule of scopes. A policy inlines it, so it must stay one expression. What is unknown (NULL) is never in scope.
--
-- Only columns of desired_grants' unique key decide whether a writer sees a row: else a conflict would tell of a row out of its sight.
-- So the policy for SELECT passes false for grantable and NULL for new_role.
CREATE FUNCTION sync_roles.scope_problem(
    scope sync_roles.my_scopes, role_name text, privilege text, object_type text, schema_name text, object_name text, name_match text,
    grantable boolean, new_role text
) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN NOT (scope).public AND role_name = 'public' THEN 'public'
    WHEN (scope).grantee_like IS NOT NULL AND (role_name LIKE (scope).grantee_like) IS NOT TRUE THEN 'grantee_like'
    WHEN (scope).object_type IS NOT NULL AND (object_type = (scope).object_type) IS NOT TRUE THEN 'object_type'
    WHEN (scope).privileges IS NOT NULL AND (privilege = ANY ((scope).privileges)) IS NOT TRUE THEN 'privileges'
    WHEN (scope).schema_like IS NOT NULL AND (schema_name LIKE (scope).schema_like) IS NOT TRUE THEN 'schema_like'
    WHEN (scope).object_like IS NOT NULL AND (name_match = 'exact' AND object_name LIKE (scope).object_like) IS NOT TRUE THEN 'object_like'
    WHEN NOT (scope).grantable AND grantable IS NOT FALSE THEN 'grantable'
    WHEN NOT (scope).may_create_roles AND new_role IS NOT NULL THEN 'may_create_roles'
END;

COMMENT ON FUNCTION sync_roles.scope_problem(sync_roles.my_scopes, text, text, text, text, text, text, boolean, text) IS 'The column of a scope that keeps a row of desired_grants out of it, or NULL: the row is in scope.';

CREATE FUNCTION sync_roles.new_role(role_name text, privilege text, object_name text, name_match text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN role_name <> 'public' AND to_regrole(quote_ident(role_name)) IS NULL THEN 'role_name'
    WHEN privilege = 'MEMBER' AND name_match = 'exact' AND to_regrole(quote_ident(object_name)) IS NULL THEN 'object_name'
END;

COMMENT ON FUNCTION sync_roles.new_role(text, text, text, text) IS 'The column of desired_grants that names a role which does not exist yet, or NULL.';

-- It is called only for rows that a writer may not write, so it may take its time; with the writer's rights, so it knows no other scopes.
CREATE FUNCTION sync_roles.refuse_grant(refused sync_roles.desired_grants, is_new boolean) RETURNS boolean
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
            WHEN refused.created_by <> session_user THEN
                reason := format('created_by %L is not the login of this session, %L: a writer''s rows bear its own name',
                    refused.created_by, session_user);
                hint := CASE WHEN is_new THEN 'Leave it out.' ELSE 'To take the row over, SET created_by = session_user.' END;
            WHEN NOT is_new THEN
                RETURN true;
            WHEN refused.created_at <> now() THEN
                reason := format('created_at %L is not now', refused.created_at);
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

COMMENT ON FUNCTION sync_roles.refuse_grant(sync_roles.desired_grants, boolean) IS 'An error that says which column of a row is out of which of the writer''s own scopes. Policies call it for rows that are.';

-- A function, because the sequence itself is not for writers: they could use it up. After an id that is accepted another is drawn, so that none
-- is accepted twice, not when its row was deleted either.
CREATE FUNCTION sync_roles.is_own_id(id bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN id = currval('sync_roles.desired_grants_id_seq') AND nextval('sync_roles.desired_grants_id_seq') > id;
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RETURN false; -- this session has drawn none
END
$$;

COMMENT ON FUNCTION sync_roles.is_own_id(bigint) IS 'Whether this is the id of desired_grants that this session drew last, for a row that it inserts now.';

-- The columns of a row are qualified, because scopes have columns of the same names. CASE promises that no other row is refused.
ALTER POLICY writers_see ON sync_roles.desired_grants
    USING (EXISTS (
        SELECT FROM sync_roles.my_scopes AS s
        WHERE sync_roles.scope_problem(s, desired_grants.role_name, desired_grants.privilege, desired_grants.object_type,
            desired_grants.schema_name, desired_grants.object_name, desired_grants.name_match, false, NULL) IS NULL
    ));
ALTER POLICY writers_delete ON sync_roles.desired_grants
    USING (EXISTS (
        SELECT FROM sync_roles.my_scopes AS s
        WHERE sync_roles.scope_problem(s, desired_grants.role_name, desired_grants.privilege, desired_grants.object_type,
            desired_grants.schema_name, desired_grants.object_name, desired_grants.name_match, desired_grants.grantable, NULL) IS NULL
    ));
ALTER POLICY writers_insert ON sync_roles.desired_grants
    WITH CHECK (CASE
        WHEN created_by = session_user AND created_at = now() AND sync_roles.is_own_id(id) AND EXISTS (
            SELECT FROM sync_roles.my_scopes AS s
            WHERE sync_roles.scope_problem(s, desired_grants.role_name, desired_grants.privilege, desired_grants.object_type,
                desired_grants.schema_name, desired_grants.object_name, desired_grants.name_match, desired_grants.grantable,
                sync_roles.new_role(desired_grants.role_name, desired_grants.privilege, desired_grants.object_name,
                    desired_grants.name_match)) IS NULL
        ) THEN true
        ELSE sync_roles.refuse_grant(desired_grants, true)
    END);
ALTER POLICY writers_update ON sync_roles.desired_grants
    USING (EXISTS (
        SELECT FROM sync_roles.my_scopes AS s
        WHERE sync_roles.scope_problem(s, desired_grants.role_name, desired_grants.privilege, desired_grants.object_type,
            desired_grants.schema_name, desired_grants.object_name, desired_grants.name_match, desired_grants.grantable, NULL) IS NULL
    ))
    WITH CHECK (CASE
        WHEN created_by = session_user AND EXISTS (
            SELECT FROM sync_roles.my_scopes AS s
            WHERE sync_roles.scope_problem(s, desired_grants.role_name, desired_grants.privilege, desired_grants.object_type,
                desired_grants.schema_name, desired_grants.object_name, desired_grants.name_match, desired_grants.grantable,
                sync_roles.new_role(desired_grants.role_name, desired_grants.privilege, desired_grants.object_name,
                    desired_grants.name_match)) IS NULL
        ) THEN true
        ELSE sync_roles.refuse_grant(desired_grants, false)
    END);

DROP FUNCTION sync_roles.may_write(name, text, text, text, text, text, text, boolean);

CREATE FUNCTION sync_roles.refuse_role() RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', SCHEMA = 'sync_roles', TABLE = 'desired_roles',
        MESSAGE = format('sync_roles.desired_roles is for the owner of the schema alone: no scope lets role %I write it', current_user),
        HINT = 'Rows of sync_roles.desired_grants create the roles that they name, where the scope has may_create_roles.';
END
$$;

COMMENT ON FUNCTION sync_roles.refuse_role() IS 'An error: what roles are is for the owner of the schema to say. A policy calls it.';

CREATE POLICY owner_alone ON sync_roles.desired_roles FOR INSERT WITH CHECK (sync_roles.refuse_role());

-- What an audit row says of a row must stay true of it.
CREATE FUNCTION sync_roles.keep_identity() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF row_security_active(TG_RELID) THEN
        NEW.id := OLD.id;
        NEW.created_at := OLD.created_at;
    END IF;
    RETURN NEW;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.keep_identity() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.keep_identity() IS 'Trigger: a scoped writer changes neither id nor created_at.';

CREATE TRIGGER keep_identity BEFORE UPDATE ON sync_roles.desired_grants
    FOR EACH ROW WHEN (OLD.id <> NEW.id OR OLD.created_at IS DISTINCT FROM NEW.created_at) EXECUTE FUNCTION sync_roles.keep_identity();

-- How much a writer has written.

CREATE INDEX desired_grants_created_by ON sync_roles.desired_grants (created_by);
CREATE INDEX desired_grants_created_by_direct ON sync_roles.desired_grants (created_by) WHERE direct;
CREATE INDEX desired_grants_created_by_pattern ON sync_roles.desired_grants
    (created_by, object_type, object_name, privilege, coalesce(schema_name, ''), name_match, coalesce(column_name, ''))
    WHERE name_match <> 'exact';

CREATE TABLE sync_roles.row_counts (
    writer   text NOT NULL,
    rows     bigint NOT NULL,
    sequence bigint NOT NULL
);

CREATE INDEX row_counts_writer ON sync_roles.row_counts (writer);

COMMENT ON TABLE sync_roles.row_counts IS 'How many rows of desired_grants a login had written when they were counted last. Each row draws an id, so before so many more were drawn as are left to max_rows, they need not be counted again.';
COMMENT ON COLUMN sync_roles.row_counts.writer IS 'desired_grants.created_by';
COMMENT ON COLUMN sync_roles.row_counts.rows IS 'How many rows it had.';
COMMENT ON COLUMN sync_roles.row_counts.sequence IS 'The id of desired_grants that had been drawn last.';

-- Neither does this wait for other transactions of the same login, nor they for it: of what is not committed, each knows its own.
CREATE FUNCTION sync_roles.rows_written(expected bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    login constant text := session_user;
    drawn constant bigint := coalesce(pg_sequence_last_value('sync_roles.desired_grants_id_seq'), 0);
    counted bigint;
BEGIN
    IF drawn <= expected
        OR EXISTS (SELECT FROM sync_roles.row_counts AS c WHERE c.writer = login AND c.rows + drawn - c.sequence <= expected) THEN
        RETURN NULL;
    END IF;
    SELECT count(*) INTO counted FROM sync_roles.desired_grants AS g WHERE g.created_by = login;
    -- A few are counted as fast as looked up.
    IF counted > 1000 AND NOT EXISTS (SELECT FROM sync_roles.row_counts AS c WHERE c.writer = login AND c.sequence = drawn) THEN
        DELETE FROM sync_roles.row_counts AS c
        WHERE c.ctid = ANY (ARRAY(SELECT o.ctid FROM sync_roles.row_counts AS o WHERE o.writer = login FOR UPDATE SKIP LOCKED));
        INSERT INTO sync_roles.row_counts (writer, rows, sequence) VALUES (login, counted, drawn);
    END IF;
    RETURN counted;
END
$$;

COMMENT ON FUNCTION sync_roles.rows_written(bigint) IS 'How many rows of desired_grants the login of this session has written; NULL: not more than expected.';

CREATE FUNCTION sync_roles.direct_written() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT count(*) FROM sync_roles.desired_grants AS g WHERE g.created_by = session_user AND g.direct
$$;

COMMENT ON FUNCTION sync_roles.direct_written() IS 'How many rows of desired_grants with direct true the login of this session has written.';

-- One step in the index for each pattern: DISTINCT would read the rows of all who have it.
CREATE FUNCTION sync_roles.patterns_written() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE pattern AS (
        (
            SELECT g.object_type, g.object_name, g.privilege, coalesce(g.schema_name, '') AS schema_name, g.name_match,
                coalesce(g.column_name, '') AS column_name
            FROM sync_roles.desired_grants AS g
            WHERE g.created_by = session_user AND g.name_match <> 'exact'
            ORDER BY g.object_type, g.object_name, g.privilege, coalesce(g.schema_name, ''), g.name_match, coalesce(g.column_name, '')
            LIMIT 1
        )
        UNION ALL
        SELECT n.*
        FROM pattern AS p
        CROSS JOIN LATERAL (
            SELECT g.object_type, g.object_name, g.privilege, coalesce(g.schema_name, ''), g.name_match, coalesce(g.column_name, '')
            FROM sync_roles.desired_grants AS g
            WHERE g.created_by = session_user AND g.name_match <> 'exact'
                AND (g.object_type, g.object_name, g.privilege, coalesce(g.schema_name, ''), g.name_match, coalesce(g.column_name, ''))
                    > (p.object_type, p.object_name, p.privilege, p.schema_name, p.name_match, p.column_name)
            ORDER BY g.object_type, g.object_name, g.privilege, coalesce(g.schema_name, ''), g.name_match, coalesce(g.column_name, '')
            LIMIT 1
        ) AS n
    )
    SELECT count(*) FROM pattern
$$;

COMMENT ON FUNCTION sync_roles.patterns_written() IS 'How many different patterns the rows of desired_grants have that the login of this session has written.';

-- Two transactions that write OWNER rows for the same object must see each other's row. So the first locks the object's name here until it
-- ends, and no other object's writers wait.
CREATE TABLE sync_roles.ownership_claims (
    object_type text COLLATE "C" NOT NULL,
    schema_name text COLLATE "C" NOT NULL,
    object_name text COLLATE "C" NOT NULL,
    PRIMARY KEY (object_type, object_name, schema_name)
);

COMMENT ON TABLE sync_roles.ownership_claims IS 'What OWNER rows of desired_grants name, to be locked while one is written. The daemon deletes what has no such row any more.';
COMMENT ON COLUMN sync_roles.ownership_claims.object_type IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.ownership_claims.schema_name IS 'As in desired_grants; empty instead of NULL.';
COMMENT ON COLUMN sync_roles.ownership_claims.object_name IS 'As in desired_grants.';

CREATE FUNCTION sync_roles.claim_ownerships() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO sync_roles.ownership_claims (object_type, schema_name, object_name)
    SELECT DISTINCT n.object_type, coalesce(n.schema_name, ''), n.object_name
    FROM new_rows AS n
    WHERE n.privilege = 'OWNER' AND n.name_match = 'exact'
    ORDER BY 1, 2, 3 -- the same for all, so that none waits for another in a circle
    ON CONFLICT (object_type, object_name, schema_name) DO UPDATE SET object_name = excluded.object_name;
    RETURN NULL;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.claim_ownerships() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.claim_ownerships() IS 'Trigger: keeps others from writing OWNER rows for the same objects at the same time.';

-- This one has the writer's rights: it names a rival only to who sees its row, and limits only whom the policies bind.
CREATE FUNCTION sync_roles.bind_writer() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    rival record;
    lowest record;
    allowed record;
    written record;
    exceeded text;
BEGIN
    -- Without it one writes through a view of somebody who has it.
    IF NOT has_schema_privilege('sync_roles', 'USAGE') THEN
        RETURN NULL;
    END IF;

    IF has_table_privilege(TG_RELID, 'SELECT') THEN
        SELECT n.object_type, concat_ws('.', quote_ident(n.schema_name), quote_ident(n.object_name)) AS object, o.role_name, o.id INTO rival
        FROM new_rows AS n
        JOIN sync_roles.desired_grants AS o
            ON o.privilege = 'OWNER' AND o.name_match = 'exact' AND o.object_type = n.object_type AND o.object_name = n.object_name
            AND coalesce(o.schema_name, '') = coalesce(n.schema_name, '') AND o.id <> n.id
        WHERE n.privilege = 'OWNER' AND n.name_match = 'exact'
        LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'unique_violation', SCHEMA = 'sync_roles', TABLE = 'desired_grants', COLUMN = 'privilege',
                MESSAGE = format('privilege ''OWNER'' of %s %s is already asked for role %L (id %s): an object has one owner',
                    rival.object_type, rival.object, rival.role_name, rival.id),
                HINT = 'DELETE that row first.';
        END IF;
    END IF;

    IF NOT row_security_active(TG_RELID) THEN
        RETURN NULL;
    END IF;
    SELECT min(s.max_rows) AS rows, min(s.max_patterns) AS patterns, min(s.max_direct) AS direct INTO lowest FROM sync_roles.my_scopes AS s;
    SELECT CASE WHEN TG_OP = 'INSERT' THEN sync_roles.rows_written(lowest.rows) END AS rows,
        CASE WHEN EXISTS (SELECT FROM new_rows AS n WHERE n.name_match <> 'exact') THEN sync_roles.patterns_written() END AS patterns,
        CASE WHEN EXISTS (SELECT FROM new_rows AS n WHERE n.direct) THEN sync_roles.direct_written() END AS direct
    INTO written;
    IF written.rows > lowest.rows OR written.patterns > lowest.patterns OR written.direct > lowest.direct THEN
        -- Of the scopes that allow a row, the greatest counts.
        SELECT min(s.max_rows) AS rows, min(s.max_patterns) FILTER (WHERE n.name_match <> 'exact') AS patterns,
            min(s.max_direct) FILTER (WHERE n.direct) AS direct
        INTO allowed
        FROM new_rows AS n
        CROSS JOIN LATERAL (
            SELECT max(s.max_rows) AS max_rows, max(s.max_patterns) AS max_patterns, max(s.max_direct) AS max_direct
            FROM sync_roles.my_scopes AS s
            WHERE sync_roles.scope_problem(s, n.role_name, n.privilege, n.object_type, n.schema_name, n.object_name, n.name_match,
                n.grantable, NULL) IS NULL
        ) AS s;
        exceeded := CASE
            WHEN written.rows > allowed.rows THEN format('max_rows %s is exceeded: with these, login %L has %s rows',
                allowed.rows, session_user, written.rows)
            WHEN written.patterns > allowed.patterns THEN
                format('max_patterns %s is exceeded: with these, login %L has %s different patterns',
                    allowed.patterns, session_user, written.patterns)
            WHEN written.direct > allowed.direct THEN format('max_direct %s is exceeded: with these, login %L has %s rows with direct true',
                allowed.direct, session_user, written.direct)
        END;
        IF exceeded IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'program_limit_exceeded', SCHEMA = 'sync_roles', TABLE = 'writers',
                COLUMN = split_part(exceeded, ' ', 1), MESSAGE = exceeded,
                HINT = 'DELETE rows that are not needed, or have the owner of the schema raise the limit in sync_roles.writers.';
        END IF;
    END IF;
    RETURN NULL;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.bind_writer() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.bind_writer() IS 'Trigger: refuses a second OWNER, by name where the writer sees its row; and more than a writer''s scopes allow.';

-- Triggers fire by name: claims before the look for rivals, and that before desired_grants_validate, which knows no names to tell.
CREATE TRIGGER a_claim_insert AFTER INSERT ON sync_roles.desired_grants
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.claim_ownerships();
CREATE TRIGGER a_claim_update AFTER UPDATE ON sync_roles.desired_grants
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.claim_ownerships();
CREATE TRIGGER bind_insert AFTER INSERT ON sync_roles.desired_grants
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.bind_writer();
CREATE TRIGGER bind_update AFTER UPDATE ON sync_roles.desired_grants
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.bind_writer();

-- What a row may say.

CREATE OR REPLACE FUNCTION sync_roles.pattern_problem(pattern text, name_match text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF pattern = '' THEN
        RETURN 'object_name is empty: a pattern has 1 to 1000 bytes';
    ELSIF octet_length(pattern) > 1000 THEN
        RETURN format('object_name has %s bytes: a pattern has at most 1000', octet_length(pattern));
    ELSIF name_match = 'like' THEN
        IF sync_roles.ends_in_escape(pattern) THEN
            RETURN format('object_name %L ends with a single backslash: in a like pattern a backslash escapes the next character', pattern);
        END IF;
        RETURN NULL;
    ELSIF starts_with(pattern, '***') OR pattern ~ '^[(][?][a-z]+[)]' THEN
        RETURN format('object_name %L begins with embedded options: "***" and "(?...)" are not allowed in a regex', pattern);
    END IF;
    -- Both alone and as it is used: ")(" is only wrong alone.
    PERFORM '' ~ pattern, '' ~ ('^(?:' || pattern || ')$');
    RETURN NULL;
EXCEPTION WHEN invalid_regular_expression OR internal_error THEN -- "invalid memory alloc request size" is an internal_error, of a big regex since 15
    RETURN format('object_name %L is not a valid regex: %s', pattern, SQLERRM);
END
$$;

-- What has the same effect has one spelling, so that it is one pattern, with one intermediate role.
CREATE FUNCTION sync_roles.shortest_like(pattern text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT string_agg(
        CASE
            -- Of wildcards in a row, the order and a second % mean nothing.
            WHEN p.part[1] ~ '^[%_]' THEN replace(p.part[1], '%', '') || CASE WHEN strpos(p.part[1], '%') > 0 THEN '%' ELSE '' END
            WHEN p.part[1] ~ E'^[\\\\][^%_\\\\]' THEN substr(p.part[1], 2)
            ELSE p.part[1]
        END, '' ORDER BY p.place)
    FROM regexp_matches(pattern, E'[\\\\].|[%_]+|[^%_\\\\]+', 'g') WITH ORDINALITY AS p (part, place);
END;

COMMENT ON FUNCTION sync_roles.shortest_like(text) IS 'The shortest LIKE pattern that matches the same names.';

-- Rows that are there already may have such patterns, and keep them.
CREATE FUNCTION sync_roles.new_pattern_problem(pattern text, name_match text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF name_match = 'like' AND pattern <> sync_roles.shortest_like(pattern) THEN
        RETURN format('object_name %L is not the shortest spelling of this like pattern: write %L',
            pattern, sync_roles.shortest_like(pattern));
    ELSIF name_match = 'regex' AND pattern ~ E'^(?:[^\\\\]|[\\\\][^1-9])*[\\\\][1-9]' THEN
        RETURN format('object_name %L has a back-reference (a backslash and a digit): a regex with one can take hours, and is not allowed',
            pattern);
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION sync_roles.new_pattern_problem(text, text) IS 'Why a pattern is not allowed in a new row, or NULL.';

-- Without back-references, the cost of a regex is that of its counts: (a{1,100}){1,100} has 10,000 states. Only a clock can tell it.
-- Each comparison is timed, and the tenth that took longest is left out: then the server was busy with something else.
CREATE FUNCTION sync_roles.seconds_for_a_thousand(pattern text, name_match text, names text[]) RETURNS double precision
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    regex constant text := '^(?:' || pattern || ')$';
    began constant timestamptz := clock_timestamp();
    started timestamptz;
    name text;
    matches boolean;
    compiled double precision;
    costs double precision[] := '{}';
BEGIN
    matches := CASE WHEN name_match = 'like' THEN '' LIKE pattern ELSE '' ~ regex END;
    compiled := extract(epoch FROM clock_timestamp() - began);
    FOREACH name IN ARRAY names LOOP
        started := clock_timestamp();
        matches := CASE WHEN name_match = 'like' THEN name LIKE pattern ELSE name ~ regex END;
        costs := costs || extract(epoch FROM clock_timestamp() - started)::double precision;
        EXIT WHEN clock_timestamp() - began > '1 s';
    END LOOP;
    RETURN compiled + 1000 * (
        SELECT avg(c.cost)
        FROM (SELECT u.cost, percent_rank() OVER (ORDER BY u.cost) AS rank FROM unnest(costs) AS u (cost)) AS c
        WHERE c.rank <= 0.9);
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.seconds_for_a_thousand(text, text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.seconds_for_a_thousand(text, text, text[]) IS 'How long it takes to compare a pattern with a thousand such names.';

CREATE FUNCTION sync_roles.slow_pattern_problem(pattern text, name_match text, object_type text, schema_name text) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bound constant double precision := 0.25;
    -- Names that are there; and for those to come the longest, made of what the pattern is made of.
    present constant text[] := ARRAY(
        SELECT o.object_name::text
        FROM sync_roles.objects AS o
        WHERE o.object_type = slow_pattern_problem.object_type AND o.schema_name = coalesce(slow_pattern_problem.schema_name, '')
        LIMIT 200);
    letters constant text := coalesce(nullif(regexp_replace(pattern, '[^[:alnum:]_]', '', 'g'), ''), 'x');
    longest constant text[] := ARRAY(SELECT left(repeat(left(letters, 5 + 5 * i) || i, 63), 63) FROM generate_series(1, 20) AS i);
    spelling text := pattern;
    seconds double precision;
BEGIN
    -- Slow is what is so twice. PostgreSQL keeps what it has compiled: it takes another spelling to compile it again.
    FOR attempt IN 1..2 LOOP
        spelling := CASE name_match WHEN 'like' THEN pattern ELSE '(?:' || spelling || ')' END;
        seconds := greatest(sync_roles.seconds_for_a_thousand(spelling, name_match, longest),
            sync_roles.seconds_for_a_thousand(spelling, name_match, present));
        IF seconds <= bound THEN
            RETURN NULL;
        END IF;
    END LOOP;
    RETURN format('object_name %L is too slow: to compare a thousand names with it takes %s s, and may take %s s',
        pattern, round(seconds::numeric, 2), bound);
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.slow_pattern_problem(text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.slow_pattern_problem(text, text, text, text) IS 'Why a pattern costs too much for every pass to compare it with names, or NULL. It measures that.';

-- Only the spelling of the catalogs names a routine. What PostgreSQL would take for the same (int, varchar(10)) would wait for ever; so
-- would a type of another schema without it.
CREATE OR REPLACE FUNCTION sync_roles.signature_problem(object_name text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off -- format_type obeys it
AS $$
DECLARE
    name constant text := split_part(object_name, '(', 1);
    list constant text := btrim(regexp_replace(substr(object_name, length(name) + 2), '[)]$', ''));
    spelled text[] := '{}';
    given text;
    type regtype;
BEGIN
    IF NOT object_name LIKE '%)' THEN
        RETURN format('object_name %L has no closing parenthesis: allowed are name(type, ...) and a bare name for all overloads',
            object_name);
    END IF;
    -- By commas outside of quotes and parentheses.
    FOR given IN SELECT btrim(m[1]) FROM regexp_matches(list || ',', '((?:"(?:[^"]|"")*"|[(][^()]*[)]|[^",()])*),', 'g') AS m LOOP
        BEGIN
            -- Numbers and "-" are OIDs to it, since 16.
            type := CASE WHEN given !~ '^[0-9-]' THEN to_regtype(given) END;
        EXCEPTION WHEN OTHERS THEN
            type := NULL;
        END;
        IF type IS NOT NULL THEN
            spelled := spelled || format_type(type, NULL);
        ELSIF given ~ '^([a-z_][a-z0-9_]*|"([^"]|"")+")[.]([a-z_][a-z0-9_]*|"([^"]|"")+")([[][]])?$' THEN
            spelled := spelled || given; -- a type that may come
        ELSIF list <> '' THEN
            RETURN format('object_name %L has %L where a type should be: allowed are types as format_type spells them, with ", " between; '
                || 'those outside of pg_catalog with their schema', object_name, given);
        END IF;
    END LOOP;
    IF object_name <> name || '(' || array_to_string(spelled, ', ') || ')' THEN
        RETURN format('object_name %L is not how PostgreSQL spells it: here %L',
            object_name, name || '(' || array_to_string(spelled, ', ') || ')');
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION sync_roles.role_problem(
    role_name text, connection_limit integer, password_verifier text, settings jsonb, revoke_other text[], attributes boolean
) RETURNS text
LANGUAGE sql STABLE
RETURN CASE
    WHEN role_name = 'none' OR starts_with(role_name, 'pg_') OR starts_with(role_name, '_pgsr_') THEN
        format('role_name %L is reserved: any role but "none", "pg_..." and "_pgsr_..." is allowed', role_name)
    WHEN sync_roles.name_problem('role_name', role_name) IS NOT NULL THEN
        sync_roles.name_problem('role_name', role_name)
    WHEN connection_limit < -1 THEN
        format('connection_limit %s is not allowed: it must be -1 (no limit) or more', connection_limit)
    -- The value is a secret, or a password that somebody took for one: it must not reach a message.
    WHEN password_verifier <> '' AND NOT sync_roles.is_scram_verifier(password_verifier) THEN
        'password_verifier is not a SCRAM-SHA-256 verifier: allowed are SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>, '
            || 'the empty string (no password) and NULL'
    WHEN jsonb_typeof(settings) <> 'object' THEN
        format('settings is a JSON %s: it must be an object of setting names and values', jsonb_typeof(settings))
    WHEN NOT revoke_other <@ sync_roles.revocable_kinds() OR array_position(revoke_other, NULL) IS NOT NULL THEN
        format('revoke_other %L has an unknown kind: allowed are %s',
            revoke_other::text, array_to_string(sync_roles.revocable_kinds(), ', '))
    WHEN role_name = 'public' AND attributes THEN
        'role_name ''public'' is PUBLIC, which has no attributes: only revoke_other, preserve_existing_grants_in_schemas and note '
            || 'are allowed'
    WHEN role_name = 'public' AND revoke_other && '{role_memberships,ownerships}' THEN
        format('revoke_other %L is not allowed for role_name ''public'': PUBLIC has neither memberships nor ownerships', revoke_other::text)
END;

CREATE OR REPLACE FUNCTION sync_roles.desired_grants_validate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem text;
    pattern record;
    rival record;
BEGIN
    SELECT p.problem INTO problem
    FROM new_rows AS n
    CROSS JOIN LATERAL (
        SELECT sync_roles.grant_problem(n.role_name, n.privilege, n.object_type, n.schema_name, n.object_name, n.name_match, n.column_name,
            n.direct, n.grantable, n.create_if_not_exists)
    ) AS p (problem)
    WHERE p.problem IS NOT NULL
    LIMIT 1;

    IF problem IS NULL THEN
        FOR pattern IN
            SELECT DISTINCT n.object_name, n.name_match, n.object_type, n.schema_name FROM new_rows AS n WHERE n.name_match <> 'exact'
        LOOP
            -- What an UPDATE left as it was is not new.
            IF TG_OP = 'UPDATE' THEN
                CONTINUE WHEN EXISTS (
                    SELECT FROM old_rows AS o
                    WHERE o.object_name = pattern.object_name AND o.name_match = pattern.name_match
                        AND o.object_type = pattern.object_type AND o.schema_name IS NOT DISTINCT FROM pattern.schema_name
                );
            END IF;
            problem := sync_roles.new_pattern_problem(pattern.object_name, pattern.name_match);
            -- One that passes use already is not measured again.
            IF problem IS NULL AND NOT EXISTS (
                SELECT FROM sync_roles.intermediate_roles AS i
                WHERE i.object_type = pattern.object_type AND i.object_name = pattern.object_name AND i.name_match = pattern.name_match
                    AND i.schema_name IS NOT DISTINCT FROM pattern.schema_name
            ) THEN
                problem := sync_roles.slow_pattern_problem(pattern.object_name, pattern.name_match, pattern.object_type,
                    pattern.schema_name);
            END IF;
            EXIT WHEN problem IS NOT NULL;
        END LOOP;
    END IF;

    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = problem, SCHEMA = 'sync_roles', TABLE = 'desired_grants',
            COLUMN = split_part(problem, ' ', 1);
    END IF;

    SELECT n.object_type, concat_ws('.', quote_ident(n.schema_name), quote_ident(n.object_name)) AS object INTO rival
    FROM new_rows AS n
    JOIN sync_roles.desired_grants AS o
        ON o.privilege = 'OWNER' AND o.name_match = 'exact' AND o.object_type = n.object_type AND o.object_name = n.object_name
        AND coalesce(o.schema_name, '') = coalesce(n.schema_name, '') AND o.id <> n.id
    WHERE n.privilege = 'OWNER' AND n.name_match = 'exact'
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'unique_violation', SCHEMA = 'sync_roles', TABLE = 'desired_grants', COLUMN = 'privilege',
            MESSAGE = format('privilege ''OWNER'' of %s %s is already asked for another role: an object has one owner',
                rival.object_type, rival.object),
            HINT = 'Its row is not for you to see. Ask the owner of schema sync_roles.';
    END IF;
    RETURN NULL;
END
$$;

-- With the old rows.
DROP TRIGGER validate_update ON sync_roles.desired_grants;
CREATE TRIGGER validate_update AFTER UPDATE ON sync_roles.desired_grants
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.desired_grants_validate();

-- What wait_for_sync tells, and to whom.

CREATE VIEW sync_roles.my_problems WITH (security_barrier) AS
SELECT g.role_name, g.id AS grant_id, p.kind,
    -- The row that won may be out of sight.
    regexp_replace(p.reason, ', by desired grant [0-9]+', '') AS reason,
    p.fix
FROM sync_roles.role_status AS s
CROSS JOIN LATERAL jsonb_to_recordset(s.problems) AS p (grant_id bigint, kind text, reason text, fix text)
JOIN sync_roles.desired_grants AS g ON g.id = p.grant_id AND g.role_name = s.role_name
WHERE EXISTS (
    SELECT FROM sync_roles.my_scopes AS c
    WHERE sync_roles.scope_problem(c, g.role_name, g.privilege, g.object_type, g.schema_name, g.object_name, g.name_match,
        false, NULL) IS NULL
);

GRANT SELECT ON sync_roles.my_problems TO PUBLIC;
COMMENT ON VIEW sync_roles.my_problems IS 'What could not be done of the rows that are in a scope of the current user.';
COMMENT ON COLUMN sync_roles.my_problems.role_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.my_problems.grant_id IS 'desired_grants.id';
COMMENT ON COLUMN sync_roles.my_problems.kind IS 'waiting, refused or blocked.';
COMMENT ON COLUMN sync_roles.my_problems.reason IS 'Why it is so.';
COMMENT ON COLUMN sync_roles.my_problems.fix IS 'A statement that helps, for whoever may run it.';

CREATE FUNCTION sync_roles.requests(role_name text) RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    queued record;
BEGIN
    SELECT array_agg(p.id) AS ids, bool_or(p.transaction = pg_current_xact_id_if_assigned()) AS own INTO queued
    FROM sync_roles.pending AS p
    WHERE requests.role_name IS NULL OR p.role_name = requests.role_name OR p.role_name IS NULL;
    IF queued.own THEN
        RAISE EXCEPTION USING ERRCODE = 'active_sql_transaction',
            MESSAGE = 'wait_for_sync would wait for rows of this very transaction, which nobody sees before it commits',
            HINT = 'COMMIT first.';
    END IF;
    RETURN queued.ids;
END
$$;

COMMENT ON FUNCTION sync_roles.requests(text) IS 'Which requests for a role, or for all roles, are in the queue: for wait_for_sync.';

CREATE FUNCTION sync_roles.requests_left(ids bigint[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT count(*) FROM sync_roles.pending AS p WHERE p.id = ANY (ids));
END
$$;

COMMENT ON FUNCTION sync_roles.requests_left(bigint[]) IS 'How many of these requests are still in the queue: for wait_for_sync.';

CREATE FUNCTION sync_roles.is_out_of_sync(role_name text, OUT out_of_sync boolean, OUT is_retried boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    SELECT coalesce(bool_or(true), false), coalesce(bool_or(s.status = 'failed'), false) INTO out_of_sync, is_retried
    FROM sync_roles.role_status AS s
    WHERE s.role_name = is_out_of_sync.role_name AND s.status IN ('refused', 'blocked', 'held', 'failed');
END
$$;

COMMENT ON FUNCTION sync_roles.is_out_of_sync(text) IS 'Whether a role is refused, blocked, held or failed, and whether that is tried again: for wait_for_sync.';

-- With the caller's rights: it tells the reasons that the caller may read. The functions that it calls tell none.
CREATE OR REPLACE FUNCTION sync_roles.wait_for_sync(role_name text DEFAULT NULL, timeout interval DEFAULT '30 s') RETURNS void
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted constant text := wait_for_sync.role_name;
    deadline constant timestamptz := clock_timestamp() + wait_for_sync.timeout;
    waited_for bigint[];
    state record;
    bad record;
    hint text := 'See sync_roles.role_status and sync_roles.grant_status.';
    pause double precision := 0.002;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING ERRCODE = 'active_sql_transaction',
            MESSAGE = format('wait_for_sync cannot see what others commit in a %s transaction', current_setting('transaction_isolation')),
            HINT = 'Call it in a READ COMMITTED transaction.';
    END IF;
    waited_for := sync_roles.requests(wanted);

    LOOP
        IF sync_roles.requests_left(waited_for) = 0 THEN
            SELECT * INTO state FROM sync_roles.is_out_of_sync(wanted);
            EXIT WHEN NOT state.out_of_sync;
            -- What failed is tried again: that is worth waiting for.
            EXIT WHEN NOT state.is_retried OR clock_timestamp() >= deadline;
        ELSIF clock_timestamp() >= deadline THEN
            RAISE EXCEPTION USING ERRCODE = 'query_canceled',
                MESSAGE = format('not in sync within %s: %s requests are still in the queue', wait_for_sync.timeout,
                    sync_roles.requests_left(waited_for)),
                HINT = 'Is pg-sync-roles running?';
        END IF;
        PERFORM pg_sleep(least(pause, greatest(extract(epoch FROM deadline - clock_timestamp())::double precision, 0)));
        pause := least(pause * 1.5, 0.1);
    END LOOP;
    IF NOT state.out_of_sync THEN
        RETURN;
    END IF;

    -- Why, if it still is so.
    IF has_table_privilege('sync_roles.role_status', 'SELECT') THEN
        SELECT s.status, coalesce(s.error, (SELECT string_agg(p ->> 'reason', '; ') FROM jsonb_array_elements(s.problems) AS p),
            'no reason recorded') AS reasons
        INTO bad
        FROM sync_roles.role_status AS s
        WHERE s.role_name = wanted;
    ELSE
        hint := 'See sync_roles.my_problems.';
        SELECT min(p.kind) AS status, string_agg(DISTINCT p.reason, '; ') AS reasons INTO bad
        FROM sync_roles.my_problems AS p
        WHERE p.role_name = wanted AND p.kind <> 'waiting';
    END IF;
    SELECT * INTO state FROM sync_roles.is_out_of_sync(wanted);
    IF NOT state.out_of_sync THEN
        RETURN;
    ELSIF bad.reasons IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('role %L is not in sync, for reasons that are not for role %I to see', wanted, current_user),
            HINT = 'Ask the owner of schema sync_roles.';
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', HINT = hint,
        MESSAGE = format('role %L is %s: %s', wanted, bad.status, bad.reasons);
END
$$;

UPDATE sync_roles.installation SET schema_version = 6;
