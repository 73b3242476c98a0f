-- What a row may say, who may write it, and how a change reaches the queue.
--
-- All triggers are statement-level with transition tables: a COPY of a million rows is checked and queued set by set.
-- They are SECURITY DEFINER, so that whoever may write desired rows needs no right on the tables behind them.

CREATE FUNCTION sync_roles.name_problem(column_name text, name text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN name = '' THEN format('%s is empty: a name has 1 to 63 bytes', column_name)
        WHEN octet_length(name) > 63 THEN format('%s %s has %s bytes: a name has at most 63', column_name, quote_literal(name), octet_length(name))
    END
$$;

COMMENT ON FUNCTION sync_roles.name_problem(text, text) IS 'Why a name cannot be one, or NULL.';

CREATE FUNCTION sync_roles.pattern_problem(pattern text, name_match text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF pattern = '' THEN
        RETURN 'object_name is empty: a pattern has 1 to 1000 bytes';
    ELSIF octet_length(pattern) > 1000 THEN
        RETURN format('object_name has %s bytes: a pattern has at most 1000', octet_length(pattern));
    ELSIF name_match = 'like' THEN
        -- An escape character needs something to escape.
        IF length(substring(pattern FROM '\\*$')) % 2 = 1 THEN
            RETURN format('object_name %s ends with a single backslash: in a like pattern a backslash escapes the next character', quote_literal(pattern));
        END IF;
        RETURN NULL;
    ELSIF starts_with(pattern, '***') OR pattern ~ '^\(\?[a-z]+\)' THEN
        RETURN format('object_name %s begins with embedded options: "***" and "(?...)" are not allowed in a regex', quote_literal(pattern));
    END IF;
    -- Both alone and as it is used: ")(" is only wrong alone.
    PERFORM '' ~ pattern, '' ~ ('^(?:' || pattern || ')$');
    RETURN NULL;
EXCEPTION WHEN invalid_regular_expression THEN
    RETURN format('object_name %s is not a valid regex: %s', quote_literal(pattern), SQLERRM);
END
$$;

COMMENT ON FUNCTION sync_roles.pattern_problem(text, text) IS 'Why a pattern cannot be one, or NULL.';

-- Only the spelling of the catalogs names a routine. What PostgreSQL would take for the same (int, varchar(10)) would wait for ever; so would a type
-- of another schema without it.
CREATE FUNCTION sync_roles.signature_problem(object_name text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    name constant text := split_part(object_name, '(', 1);
    list constant text := btrim(regexp_replace(substr(object_name, length(name) + 2), '\)$', ''));
    spelled text[] := '{}';
    given text;
    type regtype;
BEGIN
    IF NOT object_name LIKE '%)' THEN
        RETURN format('object_name %s has no closing parenthesis: allowed are name(type, ...) and a bare name for all overloads', quote_literal(object_name));
    END IF;
    -- By commas outside of quotes and parentheses.
    FOR given IN SELECT btrim(m[1]) FROM regexp_matches(list || ',', '((?:"(?:[^"]|"")*"|\([^()]*\)|[^",()])*),', 'g') AS m LOOP
        BEGIN
            -- Numbers and "-" are OIDs to it, since 16.
            type := CASE WHEN given !~ '^[0-9-]' THEN to_regtype(given) END;
        EXCEPTION WHEN OTHERS THEN
            type := NULL;
        END;
        IF type IS NOT NULL THEN
            spelled := spelled || format_type(type, NULL);
        ELSIF given ~ '^([a-z_][a-z0-9_]*|"([^"]|"")+")\.([a-z_][a-z0-9_]*|"([^"]|"")+")(\[\])?$' THEN
            spelled := spelled || given; -- a type that may come
        ELSIF list <> '' THEN
            RETURN format('object_name %s has %s where a type should be: allowed are types as format_type spells them, with ", " between; those outside of pg_catalog with their schema',
                quote_literal(object_name), quote_literal(given));
        END IF;
    END LOOP;
    IF object_name <> name || '(' || array_to_string(spelled, ', ') || ')' THEN
        RETURN format('object_name %s is not how PostgreSQL spells it: here %s', quote_literal(object_name), quote_literal(name || '(' || array_to_string(spelled, ', ') || ')'));
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION sync_roles.signature_problem(text) IS 'Why a routine''s name with argument types cannot be one, or NULL.';

CREATE FUNCTION sync_roles.grant_problem(
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
        WHEN sync_roles.privileges_of(object_type) = '{}' THEN
            format('privilege %s does not exist for object_type %s on this server, which is too old for it', quote_literal(privilege), quote_literal(object_type))
        WHEN privilege <> ALL (sync_roles.privileges_of(object_type))
            AND NOT (privilege = 'ALL' AND object_type <> 'role')
            AND NOT (privilege = 'OWNER' AND object_type NOT IN ('role', 'parameter')) THEN
            format('privilege %s does not exist for object_type %s on this server: allowed are %s', quote_literal(privilege), quote_literal(object_type),
                array_to_string(
                    sync_roles.privileges_of(object_type)
                    || CASE WHEN object_type = 'role' THEN '{}' WHEN object_type = 'parameter' THEN '{ALL}' ELSE '{ALL,OWNER}' END::text[], ', '))
        WHEN object_type IN ('table', 'sequence', 'routine', 'type') AND schema_name IS NULL THEN
            format('schema_name is NULL: object_type %s needs the name of a schema', quote_literal(object_type))
        WHEN object_type NOT IN ('table', 'sequence', 'routine', 'type') AND schema_name IS NOT NULL THEN
            format('schema_name %s is not allowed for object_type %s: it must be NULL', quote_literal(schema_name), quote_literal(object_type))
        WHEN sync_roles.name_problem('schema_name', schema_name) IS NOT NULL THEN
            sync_roles.name_problem('schema_name', schema_name)
        WHEN schema_name IN ('sync_roles', 'pg_catalog', 'information_schema') OR starts_with(schema_name, 'pg_') THEN
            format('schema_name %s is protected: nothing in sync_roles, information_schema and pg_... can be granted through rows', quote_literal(schema_name))
        WHEN name_match NOT IN ('exact', 'like', 'regex') THEN
            format('name_match %s is unknown: allowed are exact, like, regex', quote_literal(name_match))
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

COMMENT ON FUNCTION sync_roles.grant_problem(text, text, text, text, text, text, text, boolean, boolean, boolean) IS 'Why a row of desired_grants can never be obeyed, or NULL: the column, its value, and what is allowed.';

CREATE FUNCTION sync_roles.revocable_kinds() RETURNS text[]
LANGUAGE sql IMMUTABLE
AS $$
    SELECT '{role_memberships,table_selects,schema_usage,databases,schemas,tables,sequences,routines,types,languages,foreign_data_wrappers,foreign_servers,tablespaces,parameters,large_objects,ownerships,all}'::text[]
$$;

COMMENT ON FUNCTION sync_roles.revocable_kinds() IS 'What desired_roles.revoke_other may list.';

-- PostgreSQL hashes as a plaintext password whatever is not exactly a verifier, without a word: 32-byte keys, base64, at least one iteration.
CREATE FUNCTION sync_roles.is_scram_verifier(verifier text) RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$
    SELECT verifier ~ '^SCRAM-SHA-256\$[1-9][0-9]{0,8}:(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=$'
        AND octet_length(verifier) <= 512
$$;

COMMENT ON FUNCTION sync_roles.is_scram_verifier(text) IS 'Whether PostgreSQL takes this for a SCRAM-SHA-256 verifier (src/backend/libpq/auth-scram.c, parse_scram_secret).';
CREATE FUNCTION sync_roles.role_problem(
    role_name text, connection_limit integer, password_verifier text, settings jsonb, revoke_other text[], attributes boolean
) RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT CASE
        WHEN role_name = 'none' OR starts_with(role_name, 'pg_') OR starts_with(role_name, '_pgsr_') THEN
            format('role_name %s is reserved: any role but "none", "pg_..." and "_pgsr_..." is allowed', quote_literal(role_name))
        WHEN sync_roles.name_problem('role_name', role_name) IS NOT NULL THEN
            sync_roles.name_problem('role_name', role_name)
        WHEN connection_limit < -1 THEN
            format('connection_limit %s is not allowed: it must be -1 (no limit) or more', connection_limit)
        -- The value is a secret, or a password that somebody took for one: it must not reach a message.
        WHEN password_verifier <> '' AND NOT sync_roles.is_scram_verifier(password_verifier) THEN
            'password_verifier is not a SCRAM-SHA-256 verifier: allowed are SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>, the empty string (no password) and NULL'
        WHEN jsonb_typeof(settings) <> 'object' THEN
            format('settings is a JSON %s: it must be an object of setting names and values', jsonb_typeof(settings))
        WHEN NOT revoke_other <@ sync_roles.revocable_kinds() OR array_position(revoke_other, NULL) IS NOT NULL THEN
            format('revoke_other %s has an unknown kind: allowed are %s', quote_literal(revoke_other::text), array_to_string(sync_roles.revocable_kinds(), ', '))
        WHEN role_name = 'public' AND attributes THEN
            'role_name ''public'' is PUBLIC, which has no attributes: only revoke_other, preserve_existing_grants_in_schemas and note are allowed'
        WHEN role_name = 'public' AND revoke_other && '{role_memberships,ownerships}' THEN
            format('revoke_other %s is not allowed for role_name ''public'': PUBLIC has neither memberships nor ownerships', quote_literal(revoke_other::text))
    END
$$;

COMMENT ON FUNCTION sync_roles.role_problem(text, integer, text, jsonb, text[], boolean) IS 'Why a row of desired_roles can never be obeyed, or NULL.';

-- A pattern that is none would make every query fail that uses it. So this is a constraint: it also holds where triggers do not fire (a restore,
-- logical replication). It raises by itself, because a constraint's own message would not say what is wrong.
CREATE FUNCTION sync_roles.is_pattern(pattern text, name_match text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem constant text := CASE WHEN name_match IN ('like', 'regex') THEN sync_roles.pattern_problem(pattern, name_match)
        ELSE format('name_match %s is unknown: allowed are exact, like, regex', quote_literal(name_match)) END;
BEGIN
    IF problem IS NULL THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = problem, SCHEMA = 'sync_roles', TABLE = 'desired_grants', COLUMN = split_part(problem, ' ', 1);
END
$$;

COMMENT ON FUNCTION sync_roles.is_pattern(text, text) IS 'True for a pattern; an error that says why for anything else.';

ALTER TABLE sync_roles.desired_grants
    ADD CONSTRAINT pattern CHECK (name_match = 'exact' OR sync_roles.is_pattern(object_name, name_match));

CREATE FUNCTION sync_roles.desired_grants_validate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wrong record;
BEGIN
    SELECT sync_roles.grant_problem(n.role_name, n.privilege, n.object_type, n.schema_name, n.object_name, n.name_match, n.column_name,
        n.direct, n.grantable, n.create_if_not_exists) AS problem INTO wrong
    FROM new_rows AS n
    WHERE sync_roles.grant_problem(n.role_name, n.privilege, n.object_type, n.schema_name, n.object_name, n.name_match, n.column_name,
        n.direct, n.grantable, n.create_if_not_exists) IS NOT NULL
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = wrong.problem, SCHEMA = 'sync_roles', TABLE = 'desired_grants',
            COLUMN = split_part(wrong.problem, ' ', 1);
    END IF;

    -- A scoped writer cannot choose an id that the sequence has yet to give (OVERRIDING SYSTEM VALUE): it would collide with others' rows.
    IF TG_OP = 'INSERT' AND NOT pg_has_role(session_user, (SELECT c.relowner FROM pg_catalog.pg_class AS c WHERE c.oid = TG_RELID), 'USAGE')
        AND (SELECT min(n.id) < 1 OR max(n.id) > pg_sequence_last_value(pg_get_serial_sequence('sync_roles.desired_grants', 'id')::regclass) FROM new_rows AS n) THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', SCHEMA = 'sync_roles', TABLE = 'desired_grants', COLUMN = 'id',
            MESSAGE = 'id is generated: leave it out';
    END IF;

    IF EXISTS (SELECT FROM new_rows AS n WHERE n.privilege = 'OWNER' AND n.name_match = 'exact') THEN
        -- Two sessions that write OWNER rows for one object must see each other's.
        PERFORM FROM sync_roles.installation FOR UPDATE;
        SELECT n.object_type, n.schema_name, n.object_name, o.role_name, o.id INTO wrong
        FROM new_rows AS n
        JOIN sync_roles.desired_grants AS o
            ON o.privilege = 'OWNER' AND o.name_match = 'exact' AND o.object_type = n.object_type AND o.object_name = n.object_name
            AND coalesce(o.schema_name, '') = coalesce(n.schema_name, '') AND o.id <> n.id
        WHERE n.privilege = 'OWNER' AND n.name_match = 'exact'
        LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'unique_violation', SCHEMA = 'sync_roles', TABLE = 'desired_grants', COLUMN = 'privilege',
                MESSAGE = format('privilege ''OWNER'' of %s %s is already asked for role %s (id %s): an object has one owner',
                    wrong.object_type, concat_ws('.', quote_ident(wrong.schema_name), quote_ident(wrong.object_name)), quote_literal(wrong.role_name), wrong.id),
                HINT = 'DELETE that row first.';
        END IF;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION sync_roles.desired_roles_validate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wrong text;
BEGIN
    SELECT p.problem INTO wrong
    FROM new_rows AS n
    CROSS JOIN LATERAL (
        SELECT sync_roles.role_problem(n.role_name, n.connection_limit, n.password_verifier, n.settings, n.revoke_other,
            num_nonnulls(n.login, n.createdb, n.createrole, n.inherit, n.replication, n.bypassrls, n.connection_limit,
                n.password_verifier, n.valid_until, n.settings) > 0)
    ) AS p (problem)
    WHERE p.problem IS NOT NULL
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = wrong, SCHEMA = 'sync_roles', TABLE = 'desired_roles',
            COLUMN = split_part(wrong, ' ', 1);
    END IF;
    RETURN NULL;
END
$$;

-- One NOTIFY for each transaction: PostgreSQL folds equal ones. It is only a hint, so it carries nothing.
--
-- A few new rows are queued with their names, so that one more row costs the same however many its role has. What is taken away can
-- uncover what other rows ask for: then all of the role is looked at.
CREATE FUNCTION sync_roles.enqueue_new() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_TABLE_NAME = 'desired_grants' AND (SELECT count(*) FROM (SELECT FROM new_rows LIMIT 101) AS n) <= 100 THEN
        INSERT INTO sync_roles.pending (role_name, requested_by, object_names)
        SELECT n.role_name, session_user, array_agg(DISTINCT n.object_name) FROM new_rows AS n GROUP BY n.role_name;
    ELSE
        INSERT INTO sync_roles.pending (role_name, requested_by)
        SELECT DISTINCT n.role_name, session_user FROM new_rows AS n;
    END IF;
    IF FOUND THEN
        PERFORM pg_notify('sync_roles', '');
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION sync_roles.enqueue_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO sync_roles.pending (role_name, requested_by)
    SELECT o.role_name, session_user FROM old_rows AS o
    UNION
    SELECT n.role_name, session_user FROM new_rows AS n;
    IF FOUND THEN
        PERFORM pg_notify('sync_roles', '');
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION sync_roles.enqueue_old() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO sync_roles.pending (role_name, requested_by)
    SELECT DISTINCT o.role_name, session_user FROM old_rows AS o;
    IF FOUND THEN
        PERFORM pg_notify('sync_roles', '');
    END IF;
    RETURN NULL;
END
$$;

-- TRUNCATE has no transition tables: the rows are read while they are still there.
CREATE FUNCTION sync_roles.enqueue_all() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_TABLE_NAME = 'desired_grants' THEN
        INSERT INTO sync_roles.pending (role_name, requested_by)
        SELECT DISTINCT g.role_name, session_user FROM sync_roles.desired_grants AS g;
    ELSE
        INSERT INTO sync_roles.pending (role_name, requested_by)
        SELECT r.role_name, session_user FROM sync_roles.desired_roles AS r;
    END IF;
    IF FOUND THEN
        PERFORM pg_notify('sync_roles', '');
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION sync_roles.withdraw_old() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO sync_roles.withdrawn (grant_id, role_name, privilege, object_type, schema_name, object_name, name_match, column_name, direct, grantable, expired)
    SELECT o.id, o.role_name, o.privilege, o.object_type, o.schema_name, o.object_name, o.name_match, o.column_name, o.direct, o.grantable,
        coalesce(o.expires_at <= now(), false)
    FROM old_rows AS o;
    RETURN NULL;
END
$$;

CREATE FUNCTION sync_roles.withdraw_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO sync_roles.withdrawn (grant_id, role_name, privilege, object_type, schema_name, object_name, name_match, column_name, direct, grantable)
    SELECT o.id, o.role_name, o.privilege, o.object_type, o.schema_name, o.object_name, o.name_match, o.column_name, o.direct, o.grantable
    FROM old_rows AS o
    LEFT JOIN new_rows AS n USING (id)
    WHERE (o.role_name, o.privilege, o.object_type, o.schema_name, o.object_name, o.name_match, o.column_name, o.direct, o.grantable)
        IS DISTINCT FROM (n.role_name, n.privilege, n.object_type, n.schema_name, n.object_name, n.name_match, n.column_name, n.direct, n.grantable);
    RETURN NULL;
END
$$;

CREATE FUNCTION sync_roles.withdraw_all() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO sync_roles.withdrawn (grant_id, role_name, privilege, object_type, schema_name, object_name, name_match, column_name, direct, grantable)
    SELECT o.id, o.role_name, o.privilege, o.object_type, o.schema_name, o.object_name, o.name_match, o.column_name, o.direct, o.grantable
    FROM sync_roles.desired_grants AS o;
    RETURN NULL;
END
$$;

CREATE TRIGGER validate_insert AFTER INSERT ON sync_roles.desired_grants
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.desired_grants_validate();
CREATE TRIGGER validate_update AFTER UPDATE ON sync_roles.desired_grants
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.desired_grants_validate();
CREATE TRIGGER enqueue_insert AFTER INSERT ON sync_roles.desired_grants
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.enqueue_new();
CREATE TRIGGER enqueue_update AFTER UPDATE ON sync_roles.desired_grants
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.enqueue_changed();
CREATE TRIGGER enqueue_delete AFTER DELETE ON sync_roles.desired_grants
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.enqueue_old();
CREATE TRIGGER enqueue_truncate BEFORE TRUNCATE ON sync_roles.desired_grants
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.enqueue_all();
CREATE TRIGGER withdraw_update AFTER UPDATE ON sync_roles.desired_grants
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.withdraw_changed();
CREATE TRIGGER withdraw_delete AFTER DELETE ON sync_roles.desired_grants
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.withdraw_old();
CREATE TRIGGER withdraw_truncate BEFORE TRUNCATE ON sync_roles.desired_grants
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.withdraw_all();

-- What logical replication applies, and what runs with session_replication_role = replica, fires no statement-level triggers that one could enable for
-- it. It is queued row by row; rows that can never be obeyed are reported by the passes.
CREATE FUNCTION sync_roles.enqueue_replicated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND TG_TABLE_NAME = 'desired_grants' THEN
        INSERT INTO sync_roles.withdrawn (grant_id, role_name, privilege, object_type, schema_name, object_name, name_match, column_name, direct, grantable)
        VALUES (OLD.id, OLD.role_name, OLD.privilege, OLD.object_type, OLD.schema_name, OLD.object_name, OLD.name_match, OLD.column_name, OLD.direct, OLD.grantable);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO sync_roles.pending (role_name) VALUES (OLD.role_name);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO sync_roles.pending (role_name) VALUES (NEW.role_name);
    END IF;
    PERFORM pg_notify('sync_roles', '');
    RETURN NULL;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.enqueue_replicated() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.enqueue_replicated() IS 'Trigger: queues the role of a row that replication inserted, changed or deleted.';

CREATE TRIGGER enqueue_replicated AFTER INSERT OR UPDATE OR DELETE ON sync_roles.desired_grants
    FOR EACH ROW EXECUTE FUNCTION sync_roles.enqueue_replicated();
CREATE TRIGGER enqueue_replicated AFTER INSERT OR UPDATE OR DELETE ON sync_roles.desired_roles
    FOR EACH ROW EXECUTE FUNCTION sync_roles.enqueue_replicated();
ALTER TABLE sync_roles.desired_grants ENABLE REPLICA TRIGGER enqueue_replicated;
ALTER TABLE sync_roles.desired_roles ENABLE REPLICA TRIGGER enqueue_replicated;
ALTER TABLE sync_roles.desired_grants ENABLE ALWAYS TRIGGER enqueue_truncate;
ALTER TABLE sync_roles.desired_grants ENABLE ALWAYS TRIGGER withdraw_truncate;

-- A verifier that was changed or taken out is applied again when it comes back: the password may have been changed by other means in between.
CREATE FUNCTION sync_roles.forget_password() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM sync_roles.applied_passwords AS p
    USING old_rows AS o, pg_catalog.pg_roles AS r
    WHERE r.rolname = o.role_name AND p.role_oid = r.oid
        AND NOT EXISTS (
            SELECT FROM sync_roles.desired_roles AS d
            WHERE d.role_name = o.role_name AND d.password_verifier = o.password_verifier
        );
    RETURN NULL;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.forget_password() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.forget_password() IS 'Trigger: forgets which verifier was applied, when the row no longer asks for it.';

CREATE TRIGGER forget_password_update AFTER UPDATE ON sync_roles.desired_roles
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.forget_password();
CREATE TRIGGER forget_password_delete AFTER DELETE ON sync_roles.desired_roles
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.forget_password();

CREATE TRIGGER validate_insert AFTER INSERT ON sync_roles.desired_roles
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.desired_roles_validate();
CREATE TRIGGER validate_update AFTER UPDATE ON sync_roles.desired_roles
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.desired_roles_validate();
CREATE TRIGGER enqueue_insert AFTER INSERT ON sync_roles.desired_roles
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.enqueue_new();
CREATE TRIGGER enqueue_update AFTER UPDATE ON sync_roles.desired_roles
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.enqueue_changed();
CREATE TRIGGER enqueue_delete AFTER DELETE ON sync_roles.desired_roles
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.enqueue_old();
CREATE TRIGGER enqueue_truncate BEFORE TRUNCATE ON sync_roles.desired_roles
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.enqueue_all();

ALTER TABLE sync_roles.desired_roles ENABLE ALWAYS TRIGGER enqueue_truncate;

-- An approval is for what is held when it is written, and queues the role.
CREATE FUNCTION sync_roles.approve_held() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NEW.role_name IS NULL THEN
        INSERT INTO sync_roles.approvals (role_name, note) SELECT h.role_name, NEW.note FROM sync_roles.held AS h ORDER BY h.role_name;
        RETURN NULL;
    END IF;
    SELECT h.digest INTO NEW.digest FROM sync_roles.held AS h WHERE h.role_name = NEW.role_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', SCHEMA = 'sync_roles', TABLE = 'approvals', COLUMN = 'role_name',
            MESSAGE = format('role_name %s is not held: there is nothing to approve', quote_literal(NEW.role_name)),
            HINT = 'See sync_roles.held.';
    END IF;
    NEW.approved_by := session_user;
    DELETE FROM sync_roles.approvals AS a WHERE a.role_name = NEW.role_name;
    INSERT INTO sync_roles.pending (role_name, requested_by) VALUES (NEW.role_name, session_user);
    PERFORM pg_notify('sync_roles', '');
    RETURN NEW;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.approve_held() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.approve_held() IS 'Trigger: an approval is for exactly what is held now.';

CREATE TRIGGER approve_held BEFORE INSERT ON sync_roles.approvals
    FOR EACH ROW EXECUTE FUNCTION sync_roles.approve_held();

-- The audit is append-only, for its owner too. The daemon's retention says so to this trigger, in its own transaction.
CREATE FUNCTION sync_roles.audit_is_append_only() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('sync_roles.retention', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
        MESSAGE = format('%s of sync_roles.%s is not allowed: what happened stays on record', TG_OP, TG_TABLE_NAME),
        HINT = 'Deleting old rows is left to pg-sync-roles.';
END
$$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON sync_roles.audit
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.audit_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON sync_roles.rescans
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.audit_is_append_only();

-- Whoever writes desired rows commands the daemon's rights. The owner of the schema is not bound by these policies.
ALTER TABLE sync_roles.desired_grants ENABLE ROW LEVEL SECURITY;
ALTER TABLE sync_roles.desired_roles ENABLE ROW LEVEL SECURITY;

-- Row-level security does not cover TRUNCATE. This function is the caller's: it must see who that is.
CREATE FUNCTION sync_roles.only_owners_truncate() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF row_security_active(TG_RELID) THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('TRUNCATE of sync_roles.%s is for the owner of the schema: delete the rows that you may delete', TG_TABLE_NAME);
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION sync_roles.only_owners_truncate() IS 'Trigger: keeps scoped writers from TRUNCATE, which row-level security does not cover.';

CREATE TRIGGER a_only_owners_truncate BEFORE TRUNCATE ON sync_roles.desired_grants
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.only_owners_truncate();
CREATE TRIGGER a_only_owners_truncate BEFORE TRUNCATE ON sync_roles.desired_roles
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.only_owners_truncate();

CREATE FUNCTION sync_roles.may_write(
    writer name, role_name text, privilege text, object_type text, schema_name text, object_name text, name_match text, grantable boolean
) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (
        SELECT
        FROM sync_roles.writers AS w
        -- The subselect keeps a writer_role that does not exist from being an error.
        JOIN pg_catalog.pg_roles AS r ON r.rolname = w.writer_role
        WHERE pg_has_role($1, r.oid, 'USAGE')
            AND (w.grantee_like IS NULL OR $2 LIKE w.grantee_like)
            AND (w.object_type IS NULL OR $4 = w.object_type)
            AND (w.privileges IS NULL OR $3 = ANY (w.privileges))
            -- NULL LIKE ... is not true: a row without a schema does not match a scope with one.
            AND (w.schema_like IS NULL OR $5 LIKE w.schema_like)
            AND (w.object_like IS NULL OR $7 = 'exact' AND $6 LIKE w.object_like)
            AND (w.grantable OR NOT $8)
    )
$$;

COMMENT ON FUNCTION sync_roles.may_write(name, text, text, text, text, text, text, boolean) IS 'Whether a row of writers allows this writer to see and touch a row of desired_grants.';

CREATE POLICY writers_see ON sync_roles.desired_grants FOR SELECT
    USING (sync_roles.may_write(current_user, role_name, privilege, object_type, schema_name, object_name, name_match, grantable));
CREATE POLICY writers_insert ON sync_roles.desired_grants FOR INSERT
    WITH CHECK (
        sync_roles.may_write(current_user, role_name, privilege, object_type, schema_name, object_name, name_match, grantable)
        AND created_by = session_user AND created_at = now()
    );
CREATE POLICY writers_update ON sync_roles.desired_grants FOR UPDATE
    USING (sync_roles.may_write(current_user, role_name, privilege, object_type, schema_name, object_name, name_match, grantable))
    WITH CHECK (
        sync_roles.may_write(current_user, role_name, privilege, object_type, schema_name, object_name, name_match, grantable)
        AND created_by = session_user
    );
CREATE POLICY writers_delete ON sync_roles.desired_grants FOR DELETE
    USING (sync_roles.may_write(current_user, role_name, privilege, object_type, schema_name, object_name, name_match, grantable));

REVOKE EXECUTE ON FUNCTION sync_roles.desired_grants_validate(), sync_roles.desired_roles_validate(), sync_roles.enqueue_new(),
    sync_roles.enqueue_changed(), sync_roles.enqueue_old(), sync_roles.enqueue_all(), sync_roles.withdraw_old(),
    sync_roles.withdraw_changed(), sync_roles.withdraw_all(), sync_roles.audit_is_append_only() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.desired_grants_validate() IS 'Trigger: refuses rows that can never be obeyed, and a second OWNER.';
COMMENT ON FUNCTION sync_roles.desired_roles_validate() IS 'Trigger: refuses rows that can never be obeyed.';
COMMENT ON FUNCTION sync_roles.enqueue_new() IS 'Trigger: queues the roles of new rows.';
COMMENT ON FUNCTION sync_roles.enqueue_changed() IS 'Trigger: queues the roles of changed rows, old and new.';
COMMENT ON FUNCTION sync_roles.enqueue_old() IS 'Trigger: queues the roles of deleted rows.';
COMMENT ON FUNCTION sync_roles.enqueue_all() IS 'Trigger: queues all roles of a table before TRUNCATE.';
COMMENT ON FUNCTION sync_roles.withdraw_old() IS 'Trigger: keeps deleted rows of desired_grants until a pass has dealt with them.';
COMMENT ON FUNCTION sync_roles.withdraw_changed() IS 'Trigger: keeps changed rows of desired_grants, as they were.';
COMMENT ON FUNCTION sync_roles.withdraw_all() IS 'Trigger: keeps all rows of desired_grants before TRUNCATE.';
COMMENT ON FUNCTION sync_roles.audit_is_append_only() IS 'Trigger: nobody but the retention deletes from the audit, and nobody changes it.';

UPDATE sync_roles.installation SET schema_version = 3;
