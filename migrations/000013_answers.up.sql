-- True answers: what wait_for_sync promises, what rows mean and what they look like.

-- wait_for_sync. --------------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION sync_roles.is_known_role(role_name text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN EXISTS (SELECT FROM sync_roles.desired_grants AS g WHERE g.role_name = is_known_role.role_name)
        OR EXISTS (SELECT FROM sync_roles.desired_roles AS r WHERE r.role_name = is_known_role.role_name)
        OR EXISTS (SELECT FROM sync_roles.pending AS p WHERE p.role_name = is_known_role.role_name)
        -- Its last row may have gone, and been dealt with before the question.
        OR EXISTS (SELECT FROM sync_roles.audit AS a WHERE a.role_name = is_known_role.role_name);
END
$$;

COMMENT ON FUNCTION sync_roles.is_known_role(text) IS 'Whether a role is managed, or was: for wait_for_sync.';

-- A role that is queued again is pending, whatever its last pass could not do. That counts until the next pass has done it.
CREATE FUNCTION sync_roles.last_status(status text, outcome text, problems jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN status <> 'pending' THEN status
    WHEN outcome NOT IN ('applied', 'unchanged', 'waiting') THEN outcome
    -- Its intermediate roles, or another database, may keep from it what its own pass has done.
    WHEN jsonb_path_exists(problems, '$[*] ? (@.kind != "waiting")') THEN 'blocked'
    WHEN outcome = 'waiting' THEN outcome
    ELSE 'in_sync'
END;

COMMENT ON FUNCTION sync_roles.last_status(text, text, jsonb) IS 'What role_status.status would be if the role were not queued again: for wait_for_sync.';

CREATE OR REPLACE FUNCTION sync_roles.is_out_of_sync(role_name text, OUT out_of_sync boolean, OUT is_retried boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    SELECT coalesce(bool_or(true), false), coalesce(bool_or(s.status IN ('failed', 'pending')), false) INTO out_of_sync, is_retried
    FROM sync_roles.role_status AS s
    WHERE s.role_name = is_out_of_sync.role_name
        AND sync_roles.last_status(s.status, s.outcome, s.problems) IN ('refused', 'blocked', 'held', 'failed');
END
$$;

COMMENT ON FUNCTION sync_roles.is_out_of_sync(text) IS 'Whether the last pass left a role refused, blocked, held or failed, and whether it is tried again, because it failed or is queued: for wait_for_sync.';

-- A role can be out of sync for the sake of other rows, so each row is judged by grant_status; but only those of roles that are out of sync, as
-- grant_status looks at every object of a row. The ids are all that it tells: whoever calls it finds the rows by them that it may see. It is one
-- statement, so that no role is queued between two looks at it.
CREATE FUNCTION sync_roles.rows_out_of_sync(grant_ids bigint[]) RETURNS TABLE (grant_id bigint, status text)
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
        SELECT g.id, g.role_name FROM sync_roles.desired_grants AS g WHERE grant_ids IS NULL AND g.created_by = session_user
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

COMMENT ON FUNCTION sync_roles.rows_out_of_sync(bigint[]) IS 'Which of these rows of desired_grants (NULL: of those that the session''s user wrote) are refused, blocked, held or failed; pending: the last pass left their role so, and it is queued again. For wait_for_sync.';

-- With the caller's rights: it tells the reasons that the caller may read. The functions that it calls tell none.
CREATE FUNCTION sync_roles.sync_problem(role_name text, OUT message text, OUT hint text, OUT is_retried boolean)
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET jit = off -- as in rows_out_of_sync
AS $$
DECLARE
    wanted constant text := sync_problem.role_name;
    sees_all constant boolean := has_table_privilege('sync_roles.role_status', 'SELECT') AND has_table_privilege('sync_roles.grant_status', 'SELECT')
        AND has_table_privilege('sync_roles.desired_roles', 'SELECT');
    asked bigint[];
BEGIN
    hint := CASE WHEN sees_all THEN 'See sync_roles.role_status and sync_roles.grant_status.' ELSE 'See sync_roles.my_problems.' END;

    IF wanted IS NOT NULL AND sees_all THEN
        SELECT format('role %L is %s: %s', wanted, l.status, coalesce(s.error,
            (SELECT string_agg(p ->> 'reason', '; ') FROM jsonb_array_elements(s.problems) AS p), 'no reason recorded')),
            s.status IN ('failed', 'pending')
        INTO message, is_retried
        FROM sync_roles.role_status AS s
        CROSS JOIN LATERAL (SELECT sync_roles.last_status(s.status, s.outcome, s.problems)) AS l (status)
        WHERE s.role_name = wanted AND l.status IN ('refused', 'blocked', 'held', 'failed');
        RETURN;
    ELSIF wanted IS NOT NULL THEN
        SELECT o.is_retried INTO is_retried FROM sync_roles.is_out_of_sync(wanted) AS o WHERE o.out_of_sync;
        IF has_table_privilege('sync_roles.desired_grants', 'SELECT') THEN
            SELECT array_agg(g.id) INTO asked FROM sync_roles.desired_grants AS g WHERE g.role_name = wanted;
        END IF;
        -- Without a row of the role in sight, the answer is about the role.
        IF is_retried IS NOT NULL AND asked IS NOT NULL THEN
            SELECT bool_and(b.status IN ('failed', 'pending')) INTO is_retried FROM sync_roles.rows_out_of_sync(asked) AS b;
        END IF;
        IF is_retried IS NULL THEN
            RETURN;
        END IF;
        SELECT format('role %L is %s: %s', wanted, min(p.kind), string_agg(DISTINCT p.reason, '; ')) INTO message
        FROM sync_roles.my_problems AS p
        WHERE p.role_name = wanted AND p.kind <> 'waiting'
        HAVING count(*) > 0;
        IF message IS NULL THEN
            -- It may have come in sync since the first look. Then another is worth it.
            PERFORM FROM sync_roles.is_out_of_sync(wanted) AS o WHERE o.out_of_sync;
            IF NOT FOUND THEN
                is_retried := true;
                RETURN;
            END IF;
            message := format('role %L is not in sync, for reasons that are not for role %I to see', wanted, current_user);
            hint := 'Ask the owner of schema sync_roles.';
        END IF;
        RETURN;
    END IF;

    -- All that is bad says whether it is tried again; ten of it are as many as a message can tell, first those for which nobody tries again.
    IF sees_all THEN
        WITH bad AS MATERIALIZED (
            SELECT b.grant_id, b.status, b.status IN ('failed', 'pending') AS is_retried FROM sync_roles.rows_out_of_sync(NULL) AS b
        ),
        -- What is wrong with the roles themselves.
        bad_roles AS MATERIALIZED (
            SELECT format('role %L is %s: %s', s.role_name, l.status, coalesce(s.error, p.reason)) AS told,
                s.status IN ('failed', 'pending') AS is_retried
            FROM sync_roles.desired_roles AS r
            JOIN sync_roles.role_status AS s ON s.role_name = r.role_name
            CROSS JOIN LATERAL (SELECT sync_roles.last_status(s.status, s.outcome, s.problems)) AS l (status)
            LEFT JOIN LATERAL (
                SELECT string_agg(p ->> 'reason', '; ') AS reason
                FROM jsonb_array_elements(s.problems) AS p
                WHERE p -> 'grant_id' IS NULL
            ) AS p ON true
            WHERE r.created_by = session_user AND l.status IN ('refused', 'blocked', 'held', 'failed') AND coalesce(s.error, p.reason) IS NOT NULL
        ),
        told AS (
            SELECT format('%s on %s %s for role %L is %s: %s', g.privilege, g.object_type, concat_ws('.', g.schema_name, g.object_name),
                g.role_name, b.status, coalesce(g.reason, 'no reason recorded')) AS told
            FROM (SELECT b.grant_id, b.status FROM bad AS b ORDER BY b.is_retried, b.grant_id LIMIT 10) AS b
            JOIN sync_roles.grant_status AS g ON g.id = b.grant_id
            UNION ALL
            (SELECT r.told FROM bad_roles AS r ORDER BY r.is_retried, r.told LIMIT 10)
        )
        SELECT (SELECT string_agg(t.told, '; ' ORDER BY t.told) FROM told AS t), bool_and(b.is_retried) INTO message, is_retried
        FROM (SELECT b.is_retried FROM bad AS b UNION ALL SELECT r.is_retried FROM bad_roles AS r) AS b;
        -- The rows may have gone since the first look.
        is_retried := is_retried OR message IS NULL AND is_retried IS NOT NULL;
        RETURN;
    END IF;
    WITH bad AS MATERIALIZED (
        SELECT b.grant_id, b.status, b.status IN ('failed', 'pending') AS is_retried FROM sync_roles.rows_out_of_sync(NULL) AS b
    ),
    told AS (
        SELECT coalesce(
            (
                SELECT format('desired grant %s for role %L is %s: %s', b.grant_id, min(p.role_name), b.status, string_agg(p.reason, '; '))
                FROM sync_roles.my_problems AS p
                WHERE p.grant_id = b.grant_id
                HAVING count(*) > 0
            ),
            format('desired grant %s is %s, for reasons that are not for role %I to see', b.grant_id, b.status, current_user)) AS told
        FROM (SELECT b.grant_id, b.status FROM bad AS b ORDER BY b.is_retried, b.grant_id LIMIT 10) AS b
    )
    SELECT (SELECT string_agg(t.told, '; ' ORDER BY t.told) FROM told AS t), bool_and(b.is_retried) INTO message, is_retried
    FROM bad AS b;
END
$$;

COMMENT ON FUNCTION sync_roles.sync_problem(text) IS 'What keeps a role (NULL: the rows that the session''s user wrote) from being in sync, as far as the caller may see it, and whether that is tried again without anybody''s doing (NULL: all is in sync). Without a message it has just changed, and is to be asked again. For wait_for_sync.';

CREATE OR REPLACE FUNCTION sync_roles.wait_for_sync(role_name text DEFAULT NULL, timeout interval DEFAULT '30 s') RETURNS void
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted constant text := wait_for_sync.role_name;
    deadline constant timestamptz := clock_timestamp() + wait_for_sync.timeout;
    waited_for bigint[];
    problem record;
    pause double precision := 0.002;
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION USING ERRCODE = 'read_only_sql_transaction',
            MESSAGE = 'wait_for_sync cannot know on a standby what the primary has still to do',
            HINT = 'Connect to the primary.';
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
    waited_for := sync_roles.requests(wanted);
    IF wanted IS NOT NULL AND NOT sync_roles.is_known_role(wanted) THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('role %L is not managed: no row of desired_grants or desired_roles names it', wanted),
            HINT = 'Names are compared as they are spelled, capitals and all.';
    END IF;

    LOOP
        IF sync_roles.requests_left(waited_for) = 0 THEN
            SELECT * INTO problem FROM sync_roles.sync_problem(wanted);
            IF problem.is_retried IS NULL THEN
                RETURN;
            -- What is tried again is worth waiting for.
            ELSIF problem.message IS NOT NULL AND (NOT problem.is_retried OR clock_timestamp() >= deadline) THEN
                RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = problem.message, HINT = problem.hint;
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

COMMENT ON FUNCTION sync_roles.wait_for_sync(text, interval) IS 'Returns when all that was committed before has been dealt with. An error if that takes too long, if there is no such role, on a standby, or if the role did not come in sync; without a role, if a row did not that the session''s user wrote, however long ago.';

-- Custom parameters. ----------------------------------------------------------------------------------------------------------------------

-- PostgreSQL grants SET on any name of two parts, and lists it from then on. Before, it is there for whoever names it; not for patterns, which would find
-- what others' rows name. It has no ACL: that tells it apart.
CREATE INDEX desired_grants_parameter ON sync_roles.desired_grants (object_name) WHERE object_type = 'parameter';

CREATE OR REPLACE FUNCTION sync_roles.adapt_to_server() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    version constant integer := current_setting('server_version_num')::integer / 10000;
BEGIN
    -- Since 16 each membership has its own options; before, a member inherits from all of its roles or from none.
    IF version >= 16 THEN
        CREATE OR REPLACE VIEW sync_roles.memberships AS
        SELECT m.roleid AS role_oid, m.member AS member_oid, m.grantor AS grantor_oid,
            m.admin_option, m.inherit_option, m.set_option
        FROM pg_catalog.pg_auth_members AS m;
    ELSE
        CREATE OR REPLACE VIEW sync_roles.memberships AS
        SELECT m.roleid AS role_oid, m.member AS member_oid, m.grantor AS grantor_oid,
            m.admin_option, u.rolinherit AS inherit_option, true AS set_option
        FROM pg_catalog.pg_auth_members AS m
        JOIN pg_catalog.pg_roles AS u ON u.oid = m.member;
    END IF;
    COMMENT ON VIEW sync_roles.memberships IS 'pg_auth_members with the options that each membership has on this server. A row can be left of a role that was dropped at the same time: join pg_roles on both ends.';
    COMMENT ON COLUMN sync_roles.memberships.role_oid IS 'The granted role.';
    COMMENT ON COLUMN sync_roles.memberships.member_oid IS 'The member.';
    COMMENT ON COLUMN sync_roles.memberships.grantor_oid IS 'Who granted it.';
    COMMENT ON COLUMN sync_roles.memberships.admin_option IS 'The member may grant the role to others.';
    COMMENT ON COLUMN sync_roles.memberships.inherit_option IS 'The member has the role''s privileges without SET ROLE.';
    COMMENT ON COLUMN sync_roles.memberships.set_option IS 'The member may SET ROLE to the role.';

    IF version >= 15 THEN
        CREATE OR REPLACE VIEW sync_roles.parameters AS
        SELECT coalesce(p.oid, 0::oid) AS oid, coalesce(p.parname, lower(s.name))::name AS name, coalesce(p.paracl, acldefault('p', 10)) AS acl
        FROM pg_catalog.pg_settings AS s
        FULL JOIN pg_catalog.pg_parameter_acl AS p ON p.parname = lower(s.name)
        UNION ALL
        SELECT DISTINCT 0::oid, g.object_name::name, NULL::aclitem[]
        FROM sync_roles.desired_grants AS g
        WHERE g.object_type = 'parameter' AND g.name_match = 'exact' AND (g.expires_at IS NULL OR g.expires_at > now())
            AND g.object_name ~ '^[a-z_][a-z0-9_$]*([.][a-z_][a-z0-9_$]*)+$' AND octet_length(g.object_name) <= 63
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_parameter_acl AS p WHERE p.parname = g.object_name)
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_settings AS s WHERE lower(s.name) = g.object_name);
    ELSE
        CREATE OR REPLACE VIEW sync_roles.parameters AS
        SELECT NULL::oid AS oid, NULL::name AS name, NULL::aclitem[] AS acl
        WHERE false;
    END IF;
    COMMENT ON VIEW sync_roles.parameters IS 'Configuration parameters (PostgreSQL 15 and later): those that this role may see, all on which privileges were granted, and custom ones that rows in force name.';
    COMMENT ON COLUMN sync_roles.parameters.oid IS 'pg_parameter_acl.oid; 0 while no privilege was ever granted on it, and so it is not listed there';
    COMMENT ON COLUMN sync_roles.parameters.name IS 'The parameter.';
    COMMENT ON COLUMN sync_roles.parameters.acl IS 'pg_parameter_acl.paracl; NULL where only rows name the parameter, and patterns do not match it';

    UPDATE sync_roles.installation SET server_version = version;
END
$$;

COMMENT ON COLUMN sync_roles.objects.acl IS 'The ACL in force: the default one where none is stored; NULL for roles, and for parameters that only rows name.';

SELECT sync_roles.adapt_to_server();

-- What is most likely a mistake. ----------------------------------------------------------------------------------------------------------

CREATE FUNCTION sync_roles.did_you_mean(column_name text, value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given constant text := replace(btrim(lower(value)), '_', ' ');
    singular constant text := regexp_replace(given, 's$', '');
    words constant jsonb := CASE column_name
        WHEN 'privilege' THEN jsonb_build_object('read', 'SELECT', 'temp', 'TEMPORARY', 'all privileges', 'ALL', 'membership', 'MEMBER', 'ownership', 'OWNER',
            'exec', 'EXECUTE', 'alter', 'OWNER', 'drop', 'OWNER')
        WHEN 'object_type' THEN jsonb_build_object('view', 'table', 'materialized view', 'table', 'matview', 'table', 'foreign table', 'table',
            'partitioned table', 'table', 'relation', 'table', 'column', 'table', 'function', 'routine', 'procedure', 'routine', 'aggregate', 'routine',
            'user', 'role', 'group', 'role', 'domain', 'type', 'enum', 'type', 'fdw', 'foreign_data_wrapper', 'server', 'foreign_server',
            'setting', 'parameter', 'guc', 'parameter', 'lo', 'large_object')
        ELSE jsonb_build_object('=', 'exact', 'equal', 'exact', 'ilike', 'like', 'glob', 'like', 'regexp', 'regex', '~', 'regex')
    END;
    known constant text[] := CASE column_name
        WHEN 'privilege' THEN '{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER,MAINTAIN,USAGE,CREATE,CONNECT,TEMPORARY,EXECUTE,SET,ALTER SYSTEM,MEMBER,OWNER,ALL}'
        WHEN 'object_type' THEN '{role,database,schema,table,sequence,routine,type,language,foreign_data_wrapper,foreign_server,tablespace,parameter,large_object}'
        ELSE '{exact,like,regex}'
    END;
    meant text := coalesce(words ->> given, words ->> singular);
BEGIN
    IF meant IS NULL THEN
        SELECT k INTO meant FROM unnest(known) AS k WHERE replace(lower(k), '_', ' ') IN (given, singular) LIMIT 1;
    END IF;
    -- Another column's value can be what is wrong: then this is spelled right.
    RETURN CASE WHEN meant IS NULL OR meant = value THEN '' ELSE format('; did you mean %L?', meant) END;
END
$$;

COMMENT ON FUNCTION sync_roles.did_you_mean(text, text) IS 'Suggests what an unknown value was probably meant to be, as the end of a message; empty if there is no suggestion.';

CREATE OR REPLACE FUNCTION sync_roles.grant_problem(
    role_name text, privilege text, object_type text, schema_name text, object_name text, name_match text, column_name text,
    direct boolean, grantable boolean, create_if_not_exists boolean
) RETURNS text
LANGUAGE plpgsql STABLE -- not sql: its plan is kept
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE
        WHEN role_name = 'none' OR starts_with(role_name, 'pg_') OR starts_with(role_name, '_pgsr_') THEN
            format('role_name %s is reserved: any role but "none", "pg_..." and "_pgsr_..." is allowed', quote_literal(role_name))
        WHEN sync_roles.name_problem('role_name', role_name) IS NOT NULL THEN
            sync_roles.name_problem('role_name', role_name)
        WHEN sync_roles.privileges_of(object_type) IS NULL THEN
            format('object_type %s is unknown: allowed are role, database, schema, table, sequence, routine, type, language, foreign_data_wrapper, foreign_server, tablespace, parameter, large_object', quote_literal(object_type))
                || sync_roles.did_you_mean('object_type', object_type)
        WHEN sync_roles.privileges_of(object_type) = '{}' THEN
            format('privilege %s does not exist for object_type %s on this server, which is too old for it', quote_literal(privilege), quote_literal(object_type))
        WHEN privilege <> ALL (sync_roles.privileges_of(object_type))
            AND NOT (privilege = 'ALL' AND object_type <> 'role')
            AND NOT (privilege = 'OWNER' AND object_type NOT IN ('role', 'parameter')) THEN
            format('privilege %s does not exist for object_type %s on this server: allowed are %s', quote_literal(privilege), quote_literal(object_type),
                array_to_string(
                    sync_roles.privileges_of(object_type)
                    || CASE WHEN object_type = 'role' THEN '{}' WHEN object_type = 'parameter' THEN '{ALL}' ELSE '{ALL,OWNER}' END::text[], ', '))
                || sync_roles.did_you_mean('privilege', privilege)
        WHEN object_type IN ('table', 'sequence', 'routine', 'type') AND schema_name IS NULL THEN
            format('schema_name is NULL: object_type %s needs the name of a schema', quote_literal(object_type))
        WHEN object_type NOT IN ('table', 'sequence', 'routine', 'type') AND schema_name IS NOT NULL THEN
            format('schema_name %s is not allowed for object_type %s: it must be NULL', quote_literal(schema_name), quote_literal(object_type))
        WHEN sync_roles.name_problem('schema_name', schema_name) IS NOT NULL THEN
            sync_roles.name_problem('schema_name', schema_name)
        WHEN schema_name IN ('sync_roles', 'pg_catalog', 'information_schema') OR starts_with(schema_name, 'pg_') THEN
            format('schema_name %s is protected: nothing in sync_roles, information_schema and pg_... can be granted through rows', quote_literal(schema_name))
        WHEN name_match NOT IN ('exact', 'like', 'regex') THEN
            format('name_match %s is unknown: allowed are exact, like, regex', quote_literal(name_match)) || sync_roles.did_you_mean('name_match', name_match)
        WHEN name_match = 'exact' AND object_type = 'schema'
            AND (object_name IN ('sync_roles', 'information_schema') OR starts_with(object_name, 'pg_')) THEN
            format('object_name %s is protected: sync_roles, information_schema and pg_... cannot be granted through rows', quote_literal(object_name))
        WHEN name_match = 'exact' AND object_type = 'role' AND starts_with(object_name, '_pgsr_') THEN
            format('object_name %s is reserved: membership in roles named "_pgsr_..." is not for rows to ask', quote_literal(object_name))
        WHEN name_match = 'exact' AND object_type = 'role' AND object_name IN ('public', 'none') THEN
            format('object_name %s is not a role: PUBLIC has no members, and "none" is reserved', quote_literal(object_name))
        WHEN name_match = 'exact' AND object_type = 'role' AND object_name = role_name THEN
            format('object_name %s is the role itself: a role cannot be a member of itself', quote_literal(object_name))
        WHEN name_match = 'exact' AND object_type = 'large_object'
            AND CASE WHEN object_name ~ '^[1-9][0-9]{0,9}$' THEN object_name::bigint > 4294967295 ELSE true END THEN
            format('object_name %s is not the OID of a large object: a number from 1 to 4294967295 is allowed', quote_literal(object_name))
        WHEN name_match = 'exact' AND object_type = 'parameter' AND object_name <> lower(object_name) THEN
            format('object_name %s has upper case: PostgreSQL lists parameters in lower case, here %s', quote_literal(object_name), quote_literal(lower(object_name)))
        WHEN name_match = 'exact' AND object_type = 'routine' AND sync_roles.name_problem('object_name', split_part(object_name, '(', 1)) IS NOT NULL THEN
            sync_roles.name_problem('object_name', split_part(object_name, '(', 1))
        WHEN name_match = 'exact' AND object_type = 'routine' AND object_name LIKE '%(%' AND sync_roles.signature_problem(object_name) IS NOT NULL THEN
            sync_roles.signature_problem(object_name)
        WHEN name_match = 'exact' AND object_type = 'language'
            AND EXISTS (SELECT FROM pg_language AS l WHERE l.lanname = object_name AND NOT l.lanpltrusted) THEN
            format('object_name %s is an untrusted language: PostgreSQL lets superusers alone use it', quote_literal(object_name))
        WHEN name_match = 'exact' AND object_type <> 'routine' AND sync_roles.name_problem('object_name', object_name) IS NOT NULL THEN
            sync_roles.name_problem('object_name', object_name)
        WHEN column_name IS NOT NULL AND (object_type <> 'table' OR privilege NOT IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')) THEN
            format('column_name %s is not allowed for %s of object_type %s: columns have SELECT, INSERT, UPDATE and REFERENCES of a table', quote_literal(column_name), privilege, quote_literal(object_type))
        WHEN sync_roles.name_problem('column_name', column_name) IS NOT NULL THEN
            sync_roles.name_problem('column_name', column_name)
        WHEN create_if_not_exists AND NOT (privilege = 'OWNER' AND object_type = 'schema' AND name_match = 'exact') THEN
            'create_if_not_exists true is allowed only for OWNER of a schema with name_match exact'
        WHEN grantable AND privilege = 'OWNER' THEN
            'grantable true is not allowed for OWNER: an owner always holds the grant option'
        WHEN grantable AND direct = false AND object_type <> 'role' THEN
            'grantable true is not allowed with direct false: a grant option belongs to the grantee, not to an intermediate role'
        WHEN direct IS NOT NULL AND privilege IN ('MEMBER', 'OWNER') AND NOT direct THEN
            format('direct false is not allowed for %s: it must be NULL or true', privilege)
        WHEN role_name = 'public' AND (privilege IN ('MEMBER', 'OWNER') OR grantable OR direct = false) THEN
            format('role_name ''public'' is PUBLIC, which cannot have %s', CASE WHEN privilege IN ('MEMBER', 'OWNER') THEN privilege WHEN grantable THEN 'grantable true' ELSE 'direct false' END)
    END;
END
$$;


CREATE OR REPLACE FUNCTION sync_roles.is_pattern(pattern text, name_match text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem constant text := CASE WHEN name_match IN ('like', 'regex') THEN sync_roles.pattern_problem(pattern, name_match)
        ELSE format('name_match %s is unknown: allowed are exact, like, regex', quote_literal(name_match)) || sync_roles.did_you_mean('name_match', name_match) END;
BEGIN
    IF problem IS NULL THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = problem, SCHEMA = 'sync_roles', TABLE = 'desired_grants', COLUMN = split_part(problem, ' ', 1);
END
$$;


-- STABLE, as format is: or it would not be inlined.
CREATE FUNCTION sync_roles.looks_like(role_name text, object_type text, object_name text, name_match text, is_found boolean) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN pg_catalog.concat_ws('; ',
    CASE
        WHEN role_name <> 'public' AND lower(btrim(role_name)) = 'public' THEN
            pg_catalog.format('role_name %L is a role of that name: PUBLIC is ''public'', in lower case', role_name)
        WHEN role_name <> btrim(role_name) THEN
            pg_catalog.format('role_name %L begins or ends with a space, which is part of the name', role_name)
    END,
    CASE
        WHEN is_found THEN NULL
        WHEN object_name <> btrim(object_name) THEN
            pg_catalog.format('object_name %L begins or ends with a space, which is part of the name', object_name)
        WHEN name_match = 'exact' AND object_name ~ '[%*]' THEN
            pg_catalog.format('object_name %L looks like a pattern, and name_match is exact: for a pattern it is like or regex', object_name)
        WHEN name_match = 'exact' AND object_name ~ '^".*"$' THEN
            pg_catalog.format('object_name %L has quotes, which are part of the name', object_name)
        WHEN name_match = 'exact' AND object_type IN ('table', 'sequence', 'routine', 'type') AND object_name ~ '^[^(]+[.]' THEN
            pg_catalog.format('object_name %L has a dot, and is the name alone: the schema is in schema_name', object_name)
    END
);

COMMENT ON FUNCTION sync_roles.looks_like(text, text, text, text, boolean) IS 'What a row of desired_grants that is allowed looks like, where it probably means something else; empty: nothing strange.';

-- What comes with something else. ---------------------------------------------------------------------------------------------------------

-- The constructors of a range type belong to the bootstrap superuser, and so does most of what an extension brings, whoever installed it. A pattern over
-- their schema would be blocked by them for ever, and where PUBLIC has the privilege, for nothing. Whoever means them names them. What an extension
-- has that belongs to somebody else, its owner may have put there: that is no way out of reach of OWNER rows.
-- Not sql, which would be inlined: with more to estimate, PostgreSQL compiles queries on grant_status first, for seconds.
CREATE FUNCTION sync_roles.patterns_pass_by(class_oid oid, object_oid oid, owner oid, acl aclitem[], privilege text) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_depend AS d
        WHERE d.classid = class_oid AND d.objid = object_oid AND d.objsubid = 0
            AND (d.deptype = 'e' OR d.deptype = 'i' AND d.refclassid = 'pg_catalog.pg_type'::regclass)
    ) THEN
        RETURN false;
    ELSIF privilege = 'OWNER' THEN
        RETURN EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.oid = patterns_pass_by.owner AND r.rolsuper);
    END IF;
    RETURN EXISTS (SELECT FROM aclexplode(acl) AS a WHERE a.grantee = 0 AND a.privilege_type = privilege);
END
$$;

COMMENT ON FUNCTION sync_roles.patterns_pass_by(oid, oid, oid, aclitem[], text) IS 'Whether an object comes with a type or an extension, and the privilege on it is everybody''s, or it is OWNER, and the object a superuser''s: patterns do not mean it, only its exact name does.';

CREATE OR REPLACE VIEW sync_roles.grant_status AS
-- Apart, and read only where there are any: what may cost much for each row makes PostgreSQL compile the query first, for seconds.
WITH python AS MATERIALIZED (
    SELECT m.member_oid, i.class_oid, i.object_oid, i.privilege, min(l.rolname)::text AS role_name
    FROM sync_roles.python_intermediate_roles AS i
    JOIN sync_roles.memberships AS m ON m.role_oid = i.role_oid AND m.inherit_option
    JOIN pg_catalog.pg_roles AS l ON l.oid = i.role_oid
    GROUP BY 1, 2, 3, 4
)
SELECT g.id, g.role_name, g.privilege, g.object_type, g.schema_name, g.object_name, g.name_match, g.column_name,
    CASE
        WHEN EXISTS (SELECT FROM sync_roles.pending AS p WHERE p.role_name = g.role_name OR p.role_name IS NULL) OR a.outcome IS NULL
            THEN 'pending'
        WHEN problem.kind IN ('refused', 'blocked') THEN problem.kind
        WHEN through.problems IS NOT NULL THEN 'blocked'
        WHEN found.matches > 0 AND found.missing = 0 THEN 'applied'
        WHEN a.outcome IN ('failed', 'held') OR a.outcome = 'blocked' AND found.matches > 0 THEN a.outcome
        WHEN found.matches = 0 OR problem.kind = 'waiting' THEN 'waiting'
        ELSE 'pending'
    END AS status,
    CASE
        WHEN found.matches = 0 OR found.missing > 0 THEN NULL
        WHEN through.role_name IS NOT NULL OR found.python_role IS NOT NULL THEN 'intermediate'
        ELSE 'direct'
    END AS encoding,
    CASE WHEN found.matches > 0 AND found.missing = 0 THEN coalesce(through.role_name, found.python_role) END AS via,
    found.matches,
    nullif(concat_ws('; ', CASE
        WHEN problem.reason IS NOT NULL THEN problem.reason
        WHEN through.problems IS NOT NULL THEN (
            SELECT string_agg(DISTINCT p ->> 'reason', '; ') FROM jsonb_array_elements(through.problems) AS p
        )
        WHEN a.outcome = 'failed' AND found.missing > 0 THEN a.error
        -- What PostgreSQL refused is known by its statement.
        WHEN a.outcome = 'blocked' AND found.missing > 0 THEN (
            SELECT string_agg(DISTINCT p ->> 'reason', '; ') FROM jsonb_array_elements(a.problems) AS p WHERE p -> 'grant_id' IS NULL
        )
        WHEN found.matches = 0 THEN 'nothing that exists answers to this name'
        WHEN found.missing > 0 THEN 'not yet granted'
        WHEN g.schema_name IS NOT NULL AND g.privilege <> 'OWNER' AND r.oid IS NOT NULL AND n.oid IS NOT NULL
            AND NOT has_schema_privilege(r.oid, n.oid, 'USAGE')
            THEN format('granted, but of no use yet: %s has no USAGE on schema %s', g.role_name, g.schema_name)
    END, nullif(sync_roles.looks_like(g.role_name, g.object_type, g.object_name, g.name_match, found.matches > 0), '')), '') AS reason
FROM sync_roles.desired_grants AS g
LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = g.role_name
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = g.schema_name
LEFT JOIN sync_roles.costly_patterns AS k
    ON g.name_match <> 'exact' AND k.object_name = g.object_name AND k.object_type = g.object_type
    AND k.schema_name = coalesce(g.schema_name, '') AND k.name_match = g.name_match
LEFT JOIN LATERAL (
    SELECT i.role_name, i.problems
    FROM sync_roles.intermediate_roles AS i
    JOIN sync_roles.memberships AS m ON m.role_oid = i.role_oid AND m.member_oid = r.oid AND m.inherit_option
    WHERE i.object_type = g.object_type AND i.object_name = g.object_name AND i.privilege = g.privilege
        AND coalesce(i.schema_name, '') = coalesce(g.schema_name, '') AND i.name_match = g.name_match
        AND coalesce(i.column_name, '') = coalesce(g.column_name, '')
        AND g.direct IS NOT TRUE AND NOT g.grantable
    LIMIT 1
) AS through ON true
LEFT JOIN LATERAL (
    SELECT a.outcome, a.problems, a.error
    FROM sync_roles.audit AS a
    WHERE a.role_name = g.role_name
    ORDER BY a.id DESC
    LIMIT 1
) AS a ON true
LEFT JOIN LATERAL (
    -- A problem without a privilege is about the role as a whole.
    SELECT p.kind, string_agg(DISTINCT p.reason, '; ') AS reason
    FROM jsonb_to_recordset(a.problems) AS p (grant_id bigint, kind text, reason text, object text, privilege text)
    WHERE p.grant_id = g.id
        OR p.grant_id IS NULL AND p.privilege IS NULL AND p.object = 'role ' || g.role_name AND p.kind IN ('refused', 'blocked')
    GROUP BY p.kind
    ORDER BY array_position('{blocked,refused,waiting}', p.kind)
    LIMIT 1
) AS problem ON true
CROSS JOIN LATERAL (
    SELECT count(DISTINCT o.object_oid) AS matches,
        count(*) FILTER (WHERE NOT h.direct AND through.role_name IS NULL AND h.python_role IS NULL) AS missing,
        min(h.python_role) FILTER (WHERE NOT h.direct) AS python_role
    FROM (
        SELECT o.*
        FROM sync_roles.objects AS o
        WHERE g.name_match = 'exact' AND o.object_type = g.object_type AND o.schema_name = coalesce(g.schema_name, '')
            AND o.object_name = CASE WHEN g.object_type = 'routine' THEN split_part(g.object_name, '(', 1) ELSE g.object_name END
            AND (g.object_type <> 'routine' OR g.object_name IN (o.object_name, o.signature))
        UNION ALL
        SELECT o.*
        FROM sync_roles.objects AS o
        WHERE g.name_match <> 'exact' AND o.object_type = g.object_type AND o.schema_name = coalesce(g.schema_name, '')
            -- A CASE, so that a pattern that costs too much is not compared first.
            AND CASE WHEN k.object_name IS NULL THEN sync_roles.name_matches(o.object_name, g.object_name, g.name_match) END
            -- Not a parameter that only rows name.
            AND (o.object_oid <> 0 OR o.acl IS NOT NULL)
    ) AS o
    LEFT JOIN pg_catalog.pg_attribute AS c
        ON g.column_name IS NOT NULL AND c.attrelid = o.object_oid AND c.attname = g.column_name AND NOT c.attisdropped
    LEFT JOIN LATERAL unnest(sync_roles.privileges_of(g.object_type)) AS p (privilege) ON g.privilege IN (p.privilege, 'ALL')
    CROSS JOIN LATERAL (
        SELECT
            CASE g.privilege
                WHEN 'OWNER' THEN o.owner = r.oid
                WHEN 'MEMBER' THEN EXISTS (
                    SELECT FROM sync_roles.memberships AS m WHERE m.role_oid = o.object_oid AND m.member_oid = r.oid AND m.set_option
                )
                ELSE g.direct IS NOT FALSE AND EXISTS (
                    SELECT
                    FROM aclexplode(CASE WHEN g.column_name IS NULL THEN o.acl ELSE sync_roles.unpacked(c.attacl) END) AS a
                    WHERE a.grantee = CASE WHEN g.role_name = 'public' THEN 0 ELSE r.oid END AND a.privilege_type = p.privilege
                        AND (a.is_grantable OR NOT g.grantable)
                )
            END
            OR g.name_match <> 'exact' AND through.role_name IS NULL
                AND sync_roles.patterns_pass_by(o.class_oid, o.object_oid, o.owner, o.acl, coalesce(p.privilege, g.privilege)) AS direct,
            CASE WHEN (SELECT EXISTS (
                SELECT FROM pg_catalog.pg_roles AS l WHERE starts_with(l.rolname, '_pgsr_local_') OR starts_with(l.rolname, '_pgsr_global_')
            )) THEN (
                SELECT y.role_name
                FROM python AS y
                WHERE g.direct IS NOT TRUE AND y.member_oid = r.oid
                    AND y.class_oid = o.class_oid AND y.object_oid = o.object_oid AND y.privilege = p.privilege
            ) END AS python_role
    ) AS h
    WHERE g.column_name IS NULL OR c.attnum IS NOT NULL
) AS found;

-- ASCII. -----------------------------------------------------------------------------------------------------------------------------------

-- As they are in the files before this one. Where these were run by an earlier release, their texts have a character that LATIN1 does not.

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

COMMENT ON COLUMN sync_roles.desired_roles.settings IS 'ALTER ROLE ... IN DATABASE ... SET, for this database: an object of setting names and values, which may be lists; what is not in it is reset. NULL: left as they are.';

-- Names that no index can hold. ----------------------------------------------------------------------------------------------------------

CREATE FUNCTION sync_roles.refuse_long_name(object_name text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'check_violation', SCHEMA = 'sync_roles', TABLE = 'desired_grants', COLUMN = 'object_name',
        MESSAGE = format('object_name has %s bytes: a name has at most 63, and with the types of a routine''s arguments 2000', octet_length(object_name)),
        HINT = 'The name of a routine alone stands for all routines of that name.';
END
$$;

COMMENT ON FUNCTION sync_roles.refuse_long_name(text) IS 'An error that says that an object_name is too long for the indexes of desired_grants. A constraint calls it.';

-- A constraint, because triggers come after the indexes. Not for rows that are there: some long names fit, as they can be compressed.
ALTER TABLE sync_roles.desired_grants
    ADD CONSTRAINT short_name CHECK (name_match <> 'exact' OR octet_length(object_name) <= 2000 OR sync_roles.refuse_long_name(object_name)) NOT VALID;

-- What is held. ---------------------------------------------------------------------------------------------------------------------------

ALTER TABLE sync_roles.held
    ADD COLUMN at_once bigint NOT NULL DEFAULT 0,
    ADD COLUMN in_all bigint NOT NULL DEFAULT 0;

COMMENT ON COLUMN sync_roles.held.at_once IS 'How much the deletion takes away from all roles, as it was measured against --max-revokes: with what was taken in the moments before. 0: held before this was kept.';
COMMENT ON COLUMN sync_roles.held.in_all IS 'How much all managed roles held through rows then, for --max-revokes-percent.';

UPDATE sync_roles.installation SET schema_version = 13;
