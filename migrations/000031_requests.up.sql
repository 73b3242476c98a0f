-- Requests: people ask for access, others approve, and rows of desired_grants come of it that expire. All bound by what the owner of the
-- schema has written in requestable. A person is the login of a session, as for reviews.

CREATE TABLE sync_roles.requestable (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    requester_role text COLLATE "C" NOT NULL,
    grantee_like   text COLLATE "C",
    object_type    text COLLATE "C" NOT NULL,
    privileges     text[] COLLATE "C" NOT NULL,
    schema_like    text COLLATE "C",
    object_like    text COLLATE "C",
    max_duration   interval NOT NULL,
    max_total      interval,
    approver_role  text COLLATE "C" NOT NULL,
    approvals      integer NOT NULL DEFAULT 1,
    max_open       integer NOT NULL DEFAULT 10,
    max_a_day      integer NOT NULL DEFAULT 50,
    note           text,
    created_by     text NOT NULL DEFAULT session_user,
    created_at     timestamptz NOT NULL DEFAULT now(),
    requester_oid  oid NOT NULL DEFAULT 0,
    approver_oid   oid NOT NULL DEFAULT 0
);

COMMENT ON TABLE sync_roles.requestable IS
    'Who may ask for what, for how long, and who approves. Written by the owner of the schema alone; people see the entries for them.';
COMMENT ON COLUMN sync_roles.requestable.id IS 'Given by PostgreSQL.';
COMMENT ON COLUMN sync_roles.requestable.requester_role IS
    'Who may ask: whoever logs in as this role or as a member of it. public: all that have INSERT on requests.';
COMMENT ON COLUMN sync_roles.requestable.grantee_like IS
    'For which other roles one may ask, as a LIKE pattern. NULL: only for oneself.';
COMMENT ON COLUMN sync_roles.requestable.object_type IS 'The type of objects, as in desired_grants.';
COMMENT ON COLUMN sync_roles.requestable.privileges IS 'The privileges, as in desired_grants. ALL and OWNER only where they are named.';
COMMENT ON COLUMN sync_roles.requestable.schema_like IS 'The schemas, as a LIKE pattern. NULL: any.';
COMMENT ON COLUMN sync_roles.requestable.object_like IS 'The objects, as a LIKE pattern. NULL: any; not so for memberships.';
COMMENT ON COLUMN sync_roles.requestable.max_duration IS 'For how long at most one request is.';
COMMENT ON COLUMN sync_roles.requestable.max_total IS 'How long access lasts at most with extensions. NULL: max_duration.';
COMMENT ON COLUMN sync_roles.requestable.approver_role IS
    'Who approves: whoever logs in as this role or as a member of it, but never for itself.';
COMMENT ON COLUMN sync_roles.requestable.approvals IS 'How many different logins must approve.';
COMMENT ON COLUMN sync_roles.requestable.max_open IS 'How many open requests one login may have.';
COMMENT ON COLUMN sync_roles.requestable.max_a_day IS 'How many requests one login may make in 24 hours.';
COMMENT ON COLUMN sync_roles.requestable.note IS 'Why.';
COMMENT ON COLUMN sync_roles.requestable.created_by IS 'session_user of who wrote it.';
COMMENT ON COLUMN sync_roles.requestable.created_at IS 'When.';
COMMENT ON COLUMN sync_roles.requestable.requester_oid IS
    'requester_role, as it was when the row was written: another role of that name may not ask, until the owner writes the row again.';
COMMENT ON COLUMN sync_roles.requestable.approver_oid IS
    'approver_role, as it was when the row was written: another role of that name does not approve, until the owner writes the row again.';

CREATE TABLE sync_roles.requests (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    role_name      text COLLATE "C" NOT NULL DEFAULT session_user,
    privilege      text COLLATE "C" NOT NULL,
    object_type    text COLLATE "C" NOT NULL,
    schema_name    text COLLATE "C",
    object_name    text COLLATE "C" NOT NULL,
    column_name    text COLLATE "C",
    duration       interval NOT NULL,
    reason         text NOT NULL,
    extends        bigint REFERENCES sync_roles.requests,
    requestable_id bigint NOT NULL,
    requester      text COLLATE "C" NOT NULL DEFAULT session_user,
    requester_oid  oid NOT NULL DEFAULT 0,
    requested_at   timestamptz NOT NULL DEFAULT now(),
    status         text COLLATE "C" NOT NULL DEFAULT 'open',
    approved_by    text[] COLLATE "C" NOT NULL DEFAULT '{}',
    decided_at     timestamptz,
    withdrawn_by   text COLLATE "C",
    withdrawn_at   timestamptz,
    grant_id       bigint,
    since          timestamptz,
    expires_at     timestamptz
);

COMMENT ON TABLE sync_roles.requests IS
    'What people ask for, by INSERT: privilege, object, duration, reason. Nothing changes later but the status: UPDATE and SET status = '
    '''withdrawn'' takes it back. People see their own, and those that they may decide. request_status knows which have expired.';
COMMENT ON COLUMN sync_roles.requests.id IS 'Given by PostgreSQL.';
COMMENT ON COLUMN sync_roles.requests.role_name IS 'Who gets it. Default: the requester.';
COMMENT ON COLUMN sync_roles.requests.privilege IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.requests.object_type IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.requests.schema_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.requests.object_name IS 'As in desired_grants: an exact name, of what exists.';
COMMENT ON COLUMN sync_roles.requests.column_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.requests.duration IS 'For how long, from the last approval; of an extension: from the end so far.';
COMMENT ON COLUMN sync_roles.requests.reason IS 'Why.';
COMMENT ON COLUMN sync_roles.requests.extends IS 'The request whose access is to last longer: it is for the same.';
COMMENT ON COLUMN sync_roles.requests.requestable_id IS 'Which row of requestable allows it. Left out: the first that does.';
COMMENT ON COLUMN sync_roles.requests.requester IS 'session_user of who asks.';
COMMENT ON COLUMN sync_roles.requests.requester_oid IS 'The requester then: another login of that name gets nothing by it.';
COMMENT ON COLUMN sync_roles.requests.requested_at IS 'When.';
COMMENT ON COLUMN sync_roles.requests.status IS
    'open, approved, denied, withdrawn, or extended: another request goes on with it.';
COMMENT ON COLUMN sync_roles.requests.approved_by IS 'Who has approved so far.';
COMMENT ON COLUMN sync_roles.requests.decided_at IS 'When it was approved or denied.';
COMMENT ON COLUMN sync_roles.requests.withdrawn_by IS 'Who took it back: the requester, or the owner of the schema.';
COMMENT ON COLUMN sync_roles.requests.withdrawn_at IS 'When.';
COMMENT ON COLUMN sync_roles.requests.grant_id IS 'The row of desired_grants that came of it.';
COMMENT ON COLUMN sync_roles.requests.since IS 'Since when there is access, with the requests that it extends.';
COMMENT ON COLUMN sync_roles.requests.expires_at IS 'When the access ends.';

CREATE INDEX requests_requester ON sync_roles.requests (requester, requested_at);
CREATE INDEX requests_open ON sync_roles.requests (requestable_id) WHERE status = 'open';
CREATE INDEX requests_grant ON sync_roles.requests (grant_id) WHERE grant_id IS NOT NULL;

CREATE TABLE sync_roles.request_approvals (
    request_id   bigint NOT NULL REFERENCES sync_roles.requests,
    approver     text COLLATE "C" NOT NULL DEFAULT session_user,
    decision     text COLLATE "C" NOT NULL DEFAULT 'approve',
    comment      text,
    decided_at   timestamptz NOT NULL DEFAULT now(),
    approver_oid oid NOT NULL DEFAULT 0,
    PRIMARY KEY (request_id, approver)
);

COMMENT ON TABLE sync_roles.request_approvals IS 'Decisions about requests: approvers INSERT them. They stay.';
COMMENT ON COLUMN sync_roles.request_approvals.request_id IS 'requests.id';
COMMENT ON COLUMN sync_roles.request_approvals.approver IS 'session_user of who decides.';
COMMENT ON COLUMN sync_roles.request_approvals.decision IS 'approve, or deny: one is enough for that.';
COMMENT ON COLUMN sync_roles.request_approvals.comment IS 'Why.';
COMMENT ON COLUMN sync_roles.request_approvals.decided_at IS 'When.';
COMMENT ON COLUMN sync_roles.request_approvals.approver_oid IS 'The approver then.';

-- What may be asked. ----------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION sync_roles.requestable_problem(entry sync_roles.requestable) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    privilege text;
BEGIN
    IF entry.requester_role <> 'public' AND entry.requester_oid IS NULL THEN
        RETURN format('requester_role %L is no role that exists', entry.requester_role);
    ELSIF entry.approver_role = 'public' THEN
        RETURN 'approver_role ''public'' is not allowed: a role must answer for it';
    ELSIF entry.approver_oid IS NULL THEN
        RETURN format('approver_role %L is no role that exists', entry.approver_role);
    ELSIF sync_roles.privileges_of(entry.object_type) IS NULL THEN
        RETURN format('object_type %L is unknown: allowed are those of desired_grants', entry.object_type)
            || sync_roles.did_you_mean('object_type', entry.object_type);
    ELSIF sync_roles.privileges_of(entry.object_type) = '{}' THEN
        RETURN format('object_type %L does not exist on this server, which is too old for it', entry.object_type);
    ELSIF cardinality(entry.privileges) = 0 THEN
        RETURN format('privileges is empty: allowed are %s', array_to_string(sync_roles.privileges_of(entry.object_type), ', '));
    END IF;
    FOREACH privilege IN ARRAY entry.privileges LOOP
        IF privilege IS NULL OR NOT sync_roles.has_privilege(entry.object_type, privilege) THEN
            RETURN format('privileges has %L, which object_type %L has not on this server: allowed are %s', privilege, entry.object_type,
                array_to_string(sync_roles.privileges_of(entry.object_type), ', '));
        END IF;
    END LOOP;
    RETURN CASE
        WHEN entry.schema_like IS NOT NULL
            AND entry.object_type NOT IN ('table', 'sequence', 'routine', 'type', 'property_graph') THEN
            format('schema_like %L is not allowed: object_type %L lives in no schema', entry.schema_like, entry.object_type)
        WHEN sync_roles.ends_in_escape(entry.schema_like) THEN
            format('schema_like %L ends with a backslash that escapes nothing', entry.schema_like)
        WHEN sync_roles.ends_in_escape(entry.object_like) THEN
            format('object_like %L ends with a backslash that escapes nothing', entry.object_like)
        WHEN sync_roles.ends_in_escape(entry.grantee_like) THEN
            format('grantee_like %L ends with a backslash that escapes nothing', entry.grantee_like)
        WHEN entry.object_type = 'role' AND entry.object_like IS NULL THEN
            'object_like is NULL: it must say in which roles one may ask for membership'
        WHEN NOT isfinite(entry.max_duration) OR entry.max_duration <= '0 s' OR entry.max_duration > '10 years' THEN
            format('max_duration %s is not allowed: it is more than 0, and at most 10 years', entry.max_duration)
        WHEN NOT isfinite(entry.max_total) OR entry.max_total < entry.max_duration OR entry.max_total > '10 years' THEN
            format('max_total %s is not allowed: it is no less than max_duration, %s, and at most 10 years',
                entry.max_total, entry.max_duration)
        WHEN entry.approvals NOT BETWEEN 1 AND 10 THEN format('approvals %s is not allowed: from 1 to 10 are', entry.approvals)
        WHEN entry.max_open NOT BETWEEN 1 AND 1000 THEN format('max_open %s is not allowed: from 1 to 1000 are', entry.max_open)
        WHEN entry.max_a_day NOT BETWEEN 1 AND 10000 THEN format('max_a_day %s is not allowed: from 1 to 10000 are', entry.max_a_day)
    END;
END
$$;

COMMENT ON FUNCTION sync_roles.requestable_problem(sync_roles.requestable) IS 'Why there can be no such row of requestable, or NULL.';

CREATE FUNCTION sync_roles.check_requestable() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem text;
BEGIN
    -- A longer name would be cut to that of another role.
    NEW.requester_oid := CASE WHEN NEW.requester_role = 'public' THEN 0::oid
        WHEN octet_length(NEW.requester_role) <= 63 THEN to_regrole(quote_ident(NEW.requester_role))::oid END;
    NEW.approver_oid := CASE WHEN octet_length(NEW.approver_role) <= 63 THEN to_regrole(quote_ident(NEW.approver_role))::oid END;
    problem := sync_roles.requestable_problem(NEW);
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', SCHEMA = 'sync_roles', TABLE = 'requestable',
            COLUMN = split_part(problem, ' ', 1), MESSAGE = problem;
    END IF;
    RETURN NEW;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.check_requestable() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.check_requestable() IS 'Trigger: refuses rows that say nothing sensible, and notes which roles they mean.';

CREATE TRIGGER check_requestable BEFORE INSERT OR UPDATE ON sync_roles.requestable
    FOR EACH ROW EXECUTE FUNCTION sync_roles.check_requestable();

CREATE FUNCTION sync_roles.is_role(role_name text, role_oid oid) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = role_name AND r.oid = role_oid)
$$;

COMMENT ON FUNCTION sync_roles.is_role(text, oid) IS 'Whether the role of this name is still the same.';

-- Called for entries whose requester_role is the requester's.
CREATE FUNCTION sync_roles.request_problem(request sync_roles.requests, entry sync_roles.requestable) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET TimeZone = 'UTC' -- how long a day is
AS $$
DECLARE
    earlier record;
    ends timestamptz;
    total constant interval := coalesce(entry.max_total, entry.max_duration);
BEGIN
    IF NOT sync_roles.is_role(entry.approver_role, entry.approver_oid) THEN
        RETURN format('requestable_id %s has approver_role %L, which is not the role any more that it was when the owner wrote it',
            entry.id, entry.approver_role);
    ELSIF (request.object_type = entry.object_type) IS NOT TRUE THEN
        RETURN format('object_type %L is not requestable by %s: its object_type is %L', request.object_type, entry.id, entry.object_type);
    ELSIF (request.privilege = ANY (entry.privileges)) IS NOT TRUE THEN
        RETURN format('privilege %L is not requestable by %s: its privileges are %s', request.privilege, entry.id,
            array_to_string(entry.privileges, ', '));
    ELSIF entry.schema_like IS NOT NULL AND (request.schema_name LIKE entry.schema_like) IS NOT TRUE THEN
        RETURN format('schema_name %L is not requestable by %s: its schema_like is %L', request.schema_name, entry.id, entry.schema_like);
    ELSIF entry.object_like IS NOT NULL AND (request.object_name LIKE entry.object_like) IS NOT TRUE THEN
        RETURN format('object_name %L is not requestable by %s: its object_like is %L', request.object_name, entry.id, entry.object_like);
    ELSIF request.role_name <> request.requester AND entry.grantee_like IS NULL THEN
        RETURN format('role_name %L is not requestable by %s: it is only for oneself', request.role_name, entry.id);
    ELSIF request.role_name <> request.requester AND (request.role_name LIKE entry.grantee_like) IS NOT TRUE THEN
        RETURN format('role_name %L is not requestable by %s: its grantee_like is %L', request.role_name, entry.id, entry.grantee_like);
    ELSIF NOT isfinite(request.duration) OR request.duration <= '0 s' OR request.duration > entry.max_duration
        OR now() + request.duration > now() + entry.max_duration OR now() + request.duration <= now() THEN
        RETURN format('duration %s is not requestable by %s: its max_duration is %s', request.duration, entry.id, entry.max_duration);
    END IF;
    IF request.extends IS NOT NULL THEN
        SELECT r.expires_at, r.since INTO earlier FROM sync_roles.requests AS r WHERE r.id = request.extends;
        ends := earlier.expires_at + request.duration;
        IF ends > earlier.since + total THEN
            RETURN format('duration %s is not requestable by %s: with that, access would last from %s to %s, and its max_total is %s',
                request.duration, entry.id, earlier.since, ends, total);
        END IF;
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION sync_roles.request_problem(sync_roles.requests, sync_roles.requestable) IS
    'Why a row of requestable does not allow a request, or NULL.';

CREATE FUNCTION sync_roles.may_ask(requester text, entry sync_roles.requestable) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT (entry).requester_role = 'public' AND (entry).requester_oid = 0
        OR sync_roles.is_role((entry).requester_role, (entry).requester_oid)
        AND (entry).requester_oid = ANY (sync_roles.roles_in_use(requester))
$$;

COMMENT ON FUNCTION sync_roles.may_ask(text, sync_roles.requestable) IS 'Whether a row of requestable is for this login to ask by.';

CREATE FUNCTION sync_roles.may_approve(approver text, entry sync_roles.requestable) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT sync_roles.is_role((entry).approver_role, (entry).approver_oid)
        AND (entry).approver_oid = ANY (sync_roles.roles_in_use(approver))
$$;

COMMENT ON FUNCTION sync_roles.may_approve(text, sync_roles.requestable) IS
    'Whether this login is an approver of a row of requestable; not whether it is one for a certain request.';

-- Not the requester, no login that shares the access, and none that the requester can act as.
CREATE FUNCTION sync_roles.is_independent(approver text, requester text, role_name text) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT approver <> requester AND role_name <> ALL (sync_roles.roles_reached(approver))
        AND requester <> ALL (sync_roles.roles_reached(approver)) AND approver <> ALL (sync_roles.roles_reached(requester))
$$;

COMMENT ON FUNCTION sync_roles.is_independent(text, text, text) IS
    'Whether a login may decide what a requester asks for a role: it is another person, as far as the catalogs tell.';

CREATE FUNCTION sync_roles.entries_of_login(OUT to_ask bigint[], OUT to_approve bigint[])
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    to_ask := ARRAY(SELECT e.id FROM sync_roles.requestable AS e WHERE sync_roles.may_ask(session_user::text, e));
    to_approve := ARRAY(SELECT e.id FROM sync_roles.requestable AS e WHERE sync_roles.may_approve(session_user::text, e));
END
$$;

COMMENT ON FUNCTION sync_roles.entries_of_login() IS
    'The rows of requestable by which the login of this session may ask, and those that it may approve.';

CREATE FUNCTION sync_roles.notify_request(id bigint, event text) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_notify('sync_roles_requests', json_build_object('id', id, 'event', event)::text)
$$;

COMMENT ON FUNCTION sync_roles.notify_request(bigint, text) IS
    'Tells whoever listens to sync_roles_requests what became of a request: {"id": 1, "event": "opened"}. Any role can send such a '
    'notification: look the request up.';

-- Asking. ---------------------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION sync_roles.refuse_request(problem text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'check_violation', SCHEMA = 'sync_roles', TABLE = 'requests', COLUMN = split_part(problem, ' ', 1),
        MESSAGE = problem;
END
$$;

COMMENT ON FUNCTION sync_roles.refuse_request(text) IS 'Refuses a row of requests.';

-- What an extension leaves out is that of the request that it extends.
CREATE FUNCTION sync_roles.continue_request(request sync_roles.requests) RETURNS sync_roles.requests
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    earlier sync_roles.requests;
BEGIN
    SELECT r.* INTO earlier FROM sync_roles.requests AS r WHERE r.id = request.extends AND r.requester = request.requester;
    IF NOT FOUND THEN
        PERFORM sync_roles.refuse_request(format('extends %s is no request of %I', request.extends, request.requester));
    ELSIF earlier.status <> 'approved' OR earlier.expires_at <= now() THEN
        PERFORM sync_roles.refuse_request(format('extends %s is %s: only what is approved and lasts can be extended', request.extends,
            CASE WHEN earlier.status = 'approved' THEN 'expired' ELSE earlier.status END));
    ELSIF NOT EXISTS (
        SELECT FROM sync_roles.desired_grants AS g WHERE g.id = earlier.grant_id AND g.expires_at IS NOT DISTINCT FROM earlier.expires_at
    ) THEN
        PERFORM sync_roles.refuse_request(format('extends %s is over: its row of desired_grants has changed or gone', request.extends));
    ELSIF coalesce(request.privilege, earlier.privilege) <> earlier.privilege
        OR coalesce(request.object_type, earlier.object_type) <> earlier.object_type
        OR coalesce(request.schema_name, earlier.schema_name) IS DISTINCT FROM earlier.schema_name
        OR coalesce(request.object_name, earlier.object_name) <> earlier.object_name
        OR coalesce(request.column_name, earlier.column_name) IS DISTINCT FROM earlier.column_name
        OR request.role_name NOT IN (request.requester, earlier.role_name) THEN
        PERFORM sync_roles.refuse_request(
            format('extends %s is for something else: leave out role, privilege and object', request.extends));
    END IF;
    request.role_name := earlier.role_name;
    request.privilege := earlier.privilege;
    request.object_type := earlier.object_type;
    request.schema_name := earlier.schema_name;
    request.object_name := earlier.object_name;
    request.column_name := earlier.column_name;
    RETURN request;
END
$$;

COMMENT ON FUNCTION sync_roles.continue_request(sync_roles.requests) IS
    'A request with what it leaves out taken from the one that it extends; an error where that cannot be extended.';

CREATE FUNCTION sync_roles.selector_of(request sync_roles.requests) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT sync_roles.selector((request).privilege, (request).object_type, (request).schema_name, (request).object_name, 'exact',
        (request).column_name, 'exact', '{}', '{}', '{}', false)
$$;

COMMENT ON FUNCTION sync_roles.selector_of(sync_roles.requests) IS 'The selector of the row of desired_grants that a request is for.';

-- What the row would be refused for, and what it would wait for.
CREATE FUNCTION sync_roles.requested_row_problem(request sync_roles.requests) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    problem text := sync_roles.grant_problem(request.role_name, request.privilege, request.object_type, request.schema_name,
        request.object_name, 'exact', request.column_name, NULL, false, false);
    protected text;
BEGIN
    IF problem IS NOT NULL THEN
        RETURN problem;
    END IF;
    protected := sync_roles.protected_role(request.role_name);
    IF protected IS NOT NULL THEN
        RETURN format('role_name %L is not allowed: it %s', request.role_name, protected);
    ELSIF NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = request.role_name) THEN
        RETURN format('role_name %L is no role that exists', request.role_name);
    ELSIF NOT EXISTS (
        SELECT
        FROM sync_roles.find_objects(request.object_type, coalesce(request.schema_name, ''), request.object_name, 'exact') AS o
        WHERE request.column_name IS NULL OR EXISTS (
                SELECT
                FROM pg_catalog.pg_attribute AS a
                WHERE a.attrelid = o.object_oid AND a.attname = request.column_name AND a.attnum > 0 AND NOT a.attisdropped
            )
    ) THEN
        RETURN format('object_name %L is not there: no %s has this name%s%s', request.object_name, request.object_type,
            ' in schema ' || quote_ident(request.schema_name), ' and a column ' || quote_ident(request.column_name));
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION sync_roles.requested_row_problem(sync_roles.requests) IS
    'Why the row of desired_grants that a request is for could not be obeyed now, or NULL.';

-- The row that the request would meet.
CREATE FUNCTION sync_roles.requested_row_rival(request sync_roles.requests) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('object_name %L: role %I has a row for this already (id %s%s)', (request).object_name, g.role_name, g.id,
        ', until ' || g.expires_at)
    FROM sync_roles.desired_grants AS g
    WHERE g.role_name = (request).role_name AND g.selector = sync_roles.selector_of(request)
        AND (g.expires_at IS NULL OR g.expires_at > now())
$$;

COMMENT ON FUNCTION sync_roles.requested_row_rival(sync_roles.requests) IS 'That there is such a row of desired_grants already, or NULL.';

CREATE FUNCTION sync_roles.open_request() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    entry sync_roles.requestable;
    chosen sync_roles.requestable;
    problem text;
    nearest text;
    others record;
    deciders bigint;
BEGIN
    IF NOT sync_roles.is_drawn(NEW.id, 'sync_roles.requests_id_seq') THEN
        PERFORM sync_roles.refuse_request(format('id %s was not generated for this row: leave it out', NEW.id));
    ELSIF NEW.requester IS DISTINCT FROM session_user THEN
        PERFORM sync_roles.refuse_request(format('requester %L is not the login of this session, %L: leave it out', NEW.requester,
            session_user));
    ELSIF NEW.status IS DISTINCT FROM 'open' THEN
        PERFORM sync_roles.refuse_request(format('status %L is not allowed: a request is open until others decide', NEW.status));
    END IF;
    NEW.requester_oid := to_regrole(quote_ident(session_user))::oid;
    NEW.requested_at := now();
    NEW.approved_by := '{}';
    NEW.decided_at := NULL;
    NEW.withdrawn_by := NULL;
    NEW.withdrawn_at := NULL;
    NEW.grant_id := NULL;
    NEW.since := NULL;
    NEW.expires_at := NULL;
    IF NEW.extends IS NOT NULL THEN
        NEW := sync_roles.continue_request(NEW);
    END IF;
    -- NOT NULL says the rest.
    IF num_nulls(NEW.role_name, NEW.privilege, NEW.object_type, NEW.object_name, NEW.duration, NEW.reason) > 0 THEN
        NEW.requestable_id := coalesce(NEW.requestable_id, 0);
        RETURN NEW;
    ELSIF btrim(NEW.reason) = '' THEN
        PERFORM sync_roles.refuse_request('reason is empty: approvers want to know why');
    ELSIF octet_length(NEW.reason) > 2000 THEN
        PERFORM sync_roles.refuse_request(format('reason has %s bytes: it has at most 2000', octet_length(NEW.reason)));
    END IF;

    FOR entry IN
        SELECT e.*
        FROM sync_roles.requestable AS e
        WHERE (NEW.requestable_id IS NULL OR e.id = NEW.requestable_id) AND sync_roles.may_ask(session_user::text, e)
        ORDER BY e.id
    LOOP
        problem := sync_roles.request_problem(NEW, entry);
        IF problem IS NULL THEN
            chosen := entry;
            EXIT;
        -- The one that comes nearest tells most.
        ELSIF nearest IS NULL OR array_position('{object_type,privilege,schema_name,object_name,role_name,duration}',
                split_part(problem, ' ', 1)) > array_position('{object_type,privilege,schema_name,object_name,role_name,duration}',
                split_part(nearest, ' ', 1)) THEN
            nearest := problem;
        END IF;
    END LOOP;
    IF chosen.id IS NULL THEN
        -- What can never be is told as for any row.
        PERFORM sync_roles.refuse_request(p.problem)
        FROM (SELECT sync_roles.grant_problem(NEW.role_name, NEW.privilege, NEW.object_type, NEW.schema_name, NEW.object_name, 'exact',
            NEW.column_name, NULL, false, false)) AS p (problem)
        WHERE p.problem IS NOT NULL;
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', SCHEMA = 'sync_roles', TABLE = 'requests',
            COLUMN = coalesce(split_part(nearest, ' ', 1), 'requestable_id'), MESSAGE = coalesce(nearest,
                format('login %I may ask for nothing%s: no row of sync_roles.requestable is for it', session_user,
                    ' by ' || NEW.requestable_id)),
            HINT = 'SELECT * FROM sync_roles.requestable shows what may be asked for. The owner of the schema decides that.';
    END IF;
    NEW.requestable_id := chosen.id;

    problem := coalesce(sync_roles.requested_row_problem(NEW),
        CASE WHEN NEW.extends IS NULL THEN sync_roles.requested_row_rival(NEW) END);
    IF problem IS NOT NULL THEN
        PERFORM sync_roles.refuse_request(problem);
    END IF;

    SELECT min(r.id) FILTER (WHERE r.status = 'open' AND r.role_name = NEW.role_name
            AND sync_roles.selector_of(r) = sync_roles.selector_of(NEW)) AS same,
        count(*) FILTER (WHERE r.status = 'open') AS open, count(*) FILTER (WHERE r.requested_at > now() - '1 day'::interval) AS a_day
    INTO others
    FROM sync_roles.requests AS r
    WHERE r.requester = session_user AND (r.status = 'open' OR r.requested_at > now() - '1 day'::interval);
    IF others.same IS NOT NULL THEN
        PERFORM sync_roles.refuse_request(format('object_name %L: request %s for the same is open', NEW.object_name, others.same));
    ELSIF others.open >= chosen.max_open OR others.a_day >= chosen.max_a_day THEN
        RAISE EXCEPTION USING ERRCODE = 'program_limit_exceeded', SCHEMA = 'sync_roles', TABLE = 'requestable',
            COLUMN = CASE WHEN others.open >= chosen.max_open THEN 'max_open' ELSE 'max_a_day' END,
            MESSAGE = CASE WHEN others.open >= chosen.max_open
                THEN format('max_open %s is reached: login %I has %s open requests', chosen.max_open, session_user, others.open)
                ELSE format('max_a_day %s is reached: login %I has made %s requests in 24 hours', chosen.max_a_day, session_user,
                    others.a_day) END;
    END IF;

    SELECT count(*) INTO deciders
    FROM (
        SELECT
        FROM unnest(sync_roles.logins_of(ARRAY[chosen.approver_oid])) AS l (login)
        WHERE sync_roles.is_independent(l.login, session_user::text, NEW.role_name)
        LIMIT chosen.approvals
    ) AS l;
    IF deciders < chosen.approvals THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', SCHEMA = 'sync_roles', TABLE = 'requests', COLUMN = 'requestable_id',
            MESSAGE = format('requestable_id %s needs %s approvals, and %s logins of role %I could give one', chosen.id, chosen.approvals,
                deciders, chosen.approver_role),
            DETAIL = 'Nobody approves for itself, for a role whose access is its own, or for a login that can act as it.';
    END IF;
    RETURN NEW;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.open_request() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.open_request() IS 'Trigger: refuses what may not be asked for, and notes who asks.';

CREATE FUNCTION sync_roles.announce_request() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sync_roles.notify_request(NEW.id, 'opened');
    RETURN NULL;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.announce_request() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.announce_request() IS 'Trigger: tells of a new request.';

-- With the caller's rights, so that it knows what comes from the trigger that obeys approvals.
CREATE FUNCTION sync_roles.keep_request() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    owner constant oid := (SELECT c.relowner FROM pg_catalog.pg_class AS c WHERE c.oid = TG_RELID);
    expected sync_roles.requests := OLD;
    problem text;
BEGIN
    IF NEW IS NOT DISTINCT FROM OLD OR pg_trigger_depth() > 1 AND to_regrole(quote_ident(current_user))::oid = owner THEN
        RETURN NEW;
    END IF;
    expected.status := NEW.status;
    IF NEW IS DISTINCT FROM expected THEN
        problem := 'status alone can be changed: withdraw the request, and make another';
    ELSIF NEW.status IS DISTINCT FROM 'withdrawn' THEN
        problem := format('status %L is not allowed: only withdrawn is; approvers INSERT into sync_roles.request_approvals', NEW.status);
    ELSIF OLD.status NOT IN ('open', 'approved') OR OLD.status = 'approved' AND OLD.expires_at <= now() THEN
        problem := format('status of request %s is %s, and does not change any more', OLD.id,
            CASE WHEN OLD.status = 'approved' THEN 'expired' ELSE OLD.status END);
    ELSIF OLD.requester <> session_user AND NOT pg_has_role(owner, 'USAGE') THEN
        problem := format('status of request %s is for its requester, %I, to change', OLD.id, OLD.requester);
    END IF;
    IF problem IS NOT NULL THEN
        PERFORM sync_roles.refuse_request(problem);
    END IF;
    NEW.withdrawn_by := session_user;
    NEW.withdrawn_at := now();
    RETURN NEW;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.keep_request() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.keep_request() IS 'Trigger: a request does not change, but can be withdrawn.';

CREATE FUNCTION sync_roles.obey_withdrawal() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- What others have made of the row since is theirs to end.
    UPDATE sync_roles.desired_grants AS g
    SET expires_at = now()
    WHERE g.id = OLD.grant_id AND OLD.status = 'approved' AND g.role_name = OLD.role_name AND g.selector = sync_roles.selector_of(OLD)
        AND g.expires_at = OLD.expires_at;
    PERFORM sync_roles.notify_request(NEW.id, 'withdrawn');
    RETURN NULL;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.obey_withdrawal() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.obey_withdrawal() IS 'Trigger: lets the row expire that came of a request which is withdrawn.';

CREATE TRIGGER only_as_login BEFORE INSERT OR UPDATE ON sync_roles.requests
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.only_as_login();
CREATE TRIGGER open_request BEFORE INSERT ON sync_roles.requests FOR EACH ROW EXECUTE FUNCTION sync_roles.open_request();
CREATE TRIGGER announce_request AFTER INSERT ON sync_roles.requests FOR EACH ROW EXECUTE FUNCTION sync_roles.announce_request();
CREATE TRIGGER keep_request BEFORE UPDATE ON sync_roles.requests FOR EACH ROW EXECUTE FUNCTION sync_roles.keep_request();
CREATE TRIGGER obey_withdrawal AFTER UPDATE ON sync_roles.requests
    FOR EACH ROW WHEN (NEW.status = 'withdrawn' AND OLD.status <> 'withdrawn') EXECUTE FUNCTION sync_roles.obey_withdrawal();
CREATE TRIGGER stays_on_record BEFORE DELETE OR TRUNCATE ON sync_roles.requests
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.stays_on_record();

-- Deciding. -------------------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION sync_roles.decide_request() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    request sync_roles.requests;
    entry sync_roles.requestable;
    problem text;
    refusal text;
BEGIN
    IF NEW.approver IS DISTINCT FROM session_user THEN
        problem := format('approver %L is not the login of this session, %L: leave it out', NEW.approver, session_user);
    ELSIF NEW.decision IS NULL OR NEW.decision NOT IN ('approve', 'deny') THEN
        problem := format('decision %L is unknown: allowed are approve, deny', NEW.decision);
    ELSIF octet_length(NEW.comment) > 10000 THEN
        problem := format('comment has %s bytes: it has at most 10000', octet_length(NEW.comment));
    END IF;
    NEW.decided_at := now();
    NEW.approver_oid := to_regrole(quote_ident(session_user))::oid;
    IF problem IS NULL THEN
        -- So that two approvals at the same time see each other.
        SELECT r.* INTO request FROM sync_roles.requests AS r WHERE r.id = NEW.request_id FOR UPDATE;
        SELECT e.* INTO entry FROM sync_roles.requestable AS e WHERE e.id = request.requestable_id FOR SHARE;
        refusal := CASE
            WHEN request.requester = session_user THEN 'it has made it itself'
            -- Not even whether there is such a request.
            WHEN entry.id IS NULL OR NOT sync_roles.may_approve(session_user::text, entry) THEN 'it is no approver of such a request'
            WHEN NOT sync_roles.is_independent(session_user::text, request.requester, request.role_name) THEN
                format('requester %I, role %I and it are not independent: one of them is, or may become, a member of another',
                    request.requester, request.role_name)
        END;
        IF refusal IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', SCHEMA = 'sync_roles', TABLE = 'request_approvals',
                MESSAGE = format('request %s is not for login %I to decide: %s', NEW.request_id, session_user, refusal);
        END IF;
        problem := CASE
            WHEN request.status <> 'open' THEN format('request_id %s is %s: nothing is left to decide', request.id, request.status)
            WHEN EXISTS (
                SELECT FROM sync_roles.request_approvals AS a WHERE a.request_id = NEW.request_id AND a.approver = session_user
            ) THEN format('request_id %s has a decision of %I already', request.id, session_user)
            WHEN NEW.decision = 'deny' THEN NULL
            WHEN NOT sync_roles.is_role(request.requester, request.requester_oid) THEN
                format('request_id %s was made by another login %I, which has gone', request.id, request.requester)
            WHEN NOT sync_roles.may_ask(request.requester, entry) THEN
                format('request_id %s cannot be approved: requester %I may not ask for this any more', request.id, request.requester)
            ELSE 'request_id ' || request.id || ' cannot be approved any more: '
                || coalesce(sync_roles.request_problem(request, entry), sync_roles.requested_row_problem(request))
        END;
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', SCHEMA = 'sync_roles', TABLE = 'request_approvals',
            COLUMN = split_part(problem, ' ', 1), MESSAGE = problem;
    END IF;
    RETURN NEW;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.decide_request() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.decide_request() IS
    'Trigger: refuses decisions of who may not decide, and of what may not be asked for any more.';

CREATE FUNCTION sync_roles.grant_request(request sync_roles.requests) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET TimeZone = 'UTC'
AS $$
DECLARE
    earlier sync_roles.requests;
    began timestamptz := now();
    ends timestamptz := now() + request.duration;
    noted constant text := format('request %s of %I, approved by %s: %s', request.id, request.requester,
        (SELECT string_agg(quote_ident(a), ', ') FROM unnest(request.approved_by) AS a), request.reason);
    row_id bigint;
    rival constant text := CASE WHEN request.extends IS NULL THEN sync_roles.requested_row_rival(request) END;
BEGIN
    IF rival IS NOT NULL THEN
        PERFORM sync_roles.refuse_request(rival);
    END IF;
    IF request.extends IS NULL THEN
        -- One that has expired, and that the daemon has not deleted yet.
        DELETE FROM sync_roles.desired_grants AS g
        WHERE g.role_name = request.role_name AND g.selector = sync_roles.selector_of(request);
        INSERT INTO sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, column_name, expires_at, note)
        VALUES (request.role_name, request.privilege, request.object_type, request.schema_name, request.object_name, request.column_name,
            ends, noted)
        RETURNING id INTO row_id;
    ELSE
        SELECT r.* INTO earlier FROM sync_roles.requests AS r WHERE r.id = request.extends FOR UPDATE;
        began := earlier.since;
        ends := earlier.expires_at + request.duration;
        UPDATE sync_roles.desired_grants AS g
        SET expires_at = ends, note = noted
        WHERE earlier.status = 'approved' AND earlier.expires_at > now() AND g.id = earlier.grant_id AND g.role_name = request.role_name
            AND g.selector = sync_roles.selector_of(request) AND g.expires_at = earlier.expires_at
        RETURNING g.id INTO row_id;
        IF row_id IS NULL THEN
            PERFORM sync_roles.refuse_request(
                format('extends %s is over: it has expired or ended, or its row of desired_grants has changed', request.extends));
        END IF;
        UPDATE sync_roles.requests AS r SET status = 'extended' WHERE r.id = earlier.id;
    END IF;
    UPDATE sync_roles.requests AS r
    SET status = 'approved', decided_at = now(), grant_id = row_id, since = began, expires_at = ends
    WHERE r.id = request.id;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.grant_request(sync_roles.requests) FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.grant_request(sync_roles.requests) IS 'Writes the row of desired_grants that an approved request is for.';

CREATE FUNCTION sync_roles.obey_approval() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    request sync_roles.requests;
    entry sync_roles.requestable;
BEGIN
    IF NEW.decision = 'deny' THEN
        UPDATE sync_roles.requests AS r SET status = 'denied', decided_at = now() WHERE r.id = NEW.request_id;
        PERFORM sync_roles.notify_request(NEW.request_id, 'denied');
        RETURN NULL;
    END IF;
    SELECT r.* INTO request FROM sync_roles.requests AS r WHERE r.id = NEW.request_id;
    SELECT e.* INTO entry FROM sync_roles.requestable AS e WHERE e.id = request.requestable_id;
    -- Of those who approved before, each must still be one who may.
    request.approved_by := ARRAY(
        SELECT a.approver
        FROM sync_roles.request_approvals AS a
        WHERE a.request_id = request.id AND a.decision = 'approve' AND sync_roles.is_role(a.approver, a.approver_oid)
            AND sync_roles.may_approve(a.approver, entry)
            AND sync_roles.is_independent(a.approver, request.requester, request.role_name)
        ORDER BY a.decided_at, a.approver
    );
    UPDATE sync_roles.requests AS r SET approved_by = request.approved_by WHERE r.id = request.id;
    IF cardinality(request.approved_by) < entry.approvals THEN
        PERFORM sync_roles.notify_request(request.id, 'approval');
    ELSE
        PERFORM sync_roles.grant_request(request);
        PERFORM sync_roles.notify_request(request.id, 'approved');
    END IF;
    RETURN NULL;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.obey_approval() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.obey_approval() IS
    'Trigger: when enough have approved, writes the row of desired_grants; when one has denied, closes the request.';

CREATE TRIGGER only_as_login BEFORE INSERT OR UPDATE ON sync_roles.request_approvals
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.only_as_login();
CREATE TRIGGER decide_request BEFORE INSERT ON sync_roles.request_approvals
    FOR EACH ROW EXECUTE FUNCTION sync_roles.decide_request();
CREATE TRIGGER obey_approval AFTER INSERT ON sync_roles.request_approvals FOR EACH ROW EXECUTE FUNCTION sync_roles.obey_approval();
CREATE TRIGGER stays_on_record BEFORE UPDATE OR DELETE OR TRUNCATE ON sync_roles.request_approvals
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.stays_on_record();

-- Whoever had a part in a row confirms it in no review.
CREATE OR REPLACE FUNCTION sync_roles.row_authors(grant_id bigint) RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg(DISTINCT a.author)
    FROM (
        SELECT u.author
        FROM sync_roles.desired_grants AS g
        CROSS JOIN LATERAL (VALUES (g.created_by), (g.updated_by)) AS u (author)
        WHERE g.id = row_authors.grant_id
        UNION ALL
        SELECT u.author
        FROM sync_roles.requests AS r
        CROSS JOIN LATERAL unnest(r.approved_by || r.requester) AS u (author)
        WHERE r.grant_id = row_authors.grant_id
    ) AS a
    WHERE a.author IS NOT NULL
$$;

-- Seeing. ---------------------------------------------------------------------------------------------------------------------------------

ALTER TABLE sync_roles.requestable ENABLE ROW LEVEL SECURITY;
ALTER TABLE sync_roles.requests ENABLE ROW LEVEL SECURITY;
ALTER TABLE sync_roles.request_approvals ENABLE ROW LEVEL SECURITY;

CREATE POLICY people_see ON sync_roles.requestable FOR SELECT
    USING (sync_roles.is_login() AND (id = ANY ((SELECT (sync_roles.entries_of_login()).to_ask)::bigint[])
        OR id = ANY ((SELECT (sync_roles.entries_of_login()).to_approve)::bigint[])));
CREATE POLICY people_see ON sync_roles.requests FOR SELECT
    USING (sync_roles.is_login() AND (requester = session_user OR role_name = session_user
        OR requestable_id = ANY ((SELECT (sync_roles.entries_of_login()).to_approve)::bigint[])));
CREATE POLICY people_ask ON sync_roles.requests FOR INSERT WITH CHECK (sync_roles.is_login() AND requester = session_user);
CREATE POLICY people_withdraw ON sync_roles.requests FOR UPDATE USING (sync_roles.is_login() AND requester = session_user);
CREATE POLICY people_see ON sync_roles.request_approvals FOR SELECT
    USING (sync_roles.is_login() AND (approver = session_user OR request_id IN (SELECT r.id FROM sync_roles.requests AS r)));
CREATE POLICY approvers_decide ON sync_roles.request_approvals FOR INSERT
    WITH CHECK (sync_roles.is_login() AND approver = session_user);

CREATE VIEW sync_roles.request_status AS
SELECT r.id, r.role_name, r.privilege, r.object_type, r.schema_name, r.object_name, r.column_name, r.duration, r.reason, r.extends,
    r.requester, r.requested_at,
    CASE
        WHEN r.status <> 'approved' THEN r.status
        WHEN r.expires_at <= now() THEN 'expired'
        WHEN NOT EXISTS (
            SELECT FROM sync_roles.desired_grants AS g WHERE g.id = r.grant_id AND (g.expires_at IS NULL OR g.expires_at > now())
        ) THEN 'ended'
        ELSE 'approved'
    END AS status,
    r.approved_by, e.approvals AS approvals_needed, e.approver_role, r.decided_at, r.withdrawn_by, r.withdrawn_at, r.grant_id, r.since,
    r.expires_at
FROM sync_roles.requests AS r
LEFT JOIN sync_roles.requestable AS e ON e.id = r.requestable_id;

COMMENT ON VIEW sync_roles.request_status IS
    'Each request, and what became of it. Whoever may read it sees all; my_requests is for everybody.';
COMMENT ON COLUMN sync_roles.request_status.status IS
    'As in requests; and expired, or ended: the row was deleted, or ended, by others before its time.';
COMMENT ON COLUMN sync_roles.request_status.approvals_needed IS 'requestable.approvals. NULL: the row of requestable has gone.';
COMMENT ON COLUMN sync_roles.request_status.approver_role IS 'As in requestable.';

CREATE VIEW sync_roles.my_requests WITH (security_barrier) AS
WITH mine AS MATERIALIZED (
    SELECT e.to_approve, sync_roles.reached_by_login() AS reached FROM sync_roles.entries_of_login() AS e
)
SELECT s.*, r.requester = session_user AS is_mine,
    r.status = 'open' AND r.requester <> session_user AND r.requestable_id = ANY (m.to_approve) AND r.role_name <> ALL (m.reached)
        AND r.requester <> ALL (m.reached) AND NOT EXISTS (
            SELECT FROM sync_roles.request_approvals AS a WHERE a.request_id = r.id AND a.approver = session_user
        ) AS is_to_decide
FROM mine AS m
CROSS JOIN sync_roles.request_status AS s
JOIN sync_roles.requests AS r ON r.id = s.id
WHERE sync_roles.is_login()
    AND (r.requester = session_user OR r.role_name = session_user OR r.requestable_id = ANY (m.to_approve));

GRANT SELECT ON sync_roles.my_requests TO PUBLIC;
COMMENT ON VIEW sync_roles.my_requests IS
    'The requests that the login of this session has made, that are for it, or that it may approve.';
COMMENT ON COLUMN sync_roles.my_requests.is_mine IS 'The login has made it.';
COMMENT ON COLUMN sync_roles.my_requests.is_to_decide IS 'It waits for a decision that the login may make.';

DO $$
DECLARE
    column_name text;
BEGIN
    FOR column_name IN
        SELECT a.attname
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = 'sync_roles.request_status'::regclass AND a.attnum > 0
            AND pg_catalog.col_description(a.attrelid, a.attnum) IS NULL
    LOOP
        EXECUTE format('COMMENT ON COLUMN sync_roles.request_status.%I IS ''As in requests.''', column_name);
    END LOOP;
    FOR column_name IN
        SELECT a.attname
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = 'sync_roles.my_requests'::regclass AND a.attnum > 0
            AND pg_catalog.col_description(a.attrelid, a.attnum) IS NULL
    LOOP
        EXECUTE format('COMMENT ON COLUMN sync_roles.my_requests.%I IS ''As in request_status.''', column_name);
    END LOOP;
END
$$;

-- What was decided stays in the table; the rest is in desired_history.
CREATE TRIGGER keep_versions AFTER INSERT OR UPDATE OR DELETE ON sync_roles.requestable
    FOR EACH ROW EXECUTE FUNCTION sync_roles.keep_versions('id');
CREATE TRIGGER keep_truncate BEFORE TRUNCATE ON sync_roles.requestable
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.keep_versions('id');
ALTER TABLE sync_roles.requestable ENABLE ALWAYS TRIGGER keep_versions;
ALTER TABLE sync_roles.requestable ENABLE ALWAYS TRIGGER keep_truncate;
CREATE TRIGGER keep_versions AFTER INSERT OR UPDATE OR DELETE ON sync_roles.requests
    FOR EACH ROW EXECUTE FUNCTION sync_roles.keep_versions('id');
CREATE TRIGGER keep_truncate BEFORE TRUNCATE ON sync_roles.requests
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.keep_versions('id');
ALTER TABLE sync_roles.requests ENABLE ALWAYS TRIGGER keep_versions;
ALTER TABLE sync_roles.requests ENABLE ALWAYS TRIGGER keep_truncate;

UPDATE sync_roles.installation SET schema_version = 31;
