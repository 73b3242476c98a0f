-- Reviews: rows of desired_grants that people confirm, or end.
--
-- A person is the login of a session (session_user): SET ROLE makes no login another reviewer. Policies also ask that current_user is the
-- login, as it is not within another role's SECURITY DEFINER function that a reviewer happens to call.

CREATE TABLE sync_roles.reviews (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    role_name     text COLLATE "C",
    role_match    text COLLATE "C" NOT NULL DEFAULT 'exact',
    privilege     text COLLATE "C",
    object_type   text COLLATE "C",
    schema_name   text COLLATE "C",
    schema_match  text COLLATE "C" NOT NULL DEFAULT 'exact',
    object_name   text COLLATE "C",
    name_match    text COLLATE "C" NOT NULL DEFAULT 'exact',
    forbidden_id  bigint,
    reviewers     text[] COLLATE "C" NOT NULL,
    deadline      timestamptz NOT NULL,
    undecided     text COLLATE "C" NOT NULL DEFAULT 'keep',
    reason        text NOT NULL,
    opened_by     text COLLATE "C" NOT NULL DEFAULT session_user,
    opened_at     timestamptz NOT NULL DEFAULT now(),
    reviewer_oids oid[] NOT NULL DEFAULT '{}',
    tried_at      timestamptz,
    closed_at     timestamptz
);

COMMENT ON TABLE sync_roles.reviews IS
    'Reviews of access: an INSERT freezes in review_items which rows of desired_grants are to be confirmed. For the owner of the schema, '
    'and for whom the owner has granted INSERT, as far as their scopes go.';
COMMENT ON COLUMN sync_roles.reviews.id IS 'Given by PostgreSQL.';
COMMENT ON COLUMN sync_roles.reviews.role_name IS 'Rows of which roles, compared as role_match says. NULL: of all.';
COMMENT ON COLUMN sync_roles.reviews.role_match IS 'How role_name is compared: exact or like.';
COMMENT ON COLUMN sync_roles.reviews.privilege IS 'Rows that ask for this privilege, or for ALL. NULL: for any.';
COMMENT ON COLUMN sync_roles.reviews.object_type IS 'Rows for this type of objects, as in desired_grants. NULL: for any.';
COMMENT ON COLUMN sync_roles.reviews.schema_name IS 'Rows for objects in these schemas, and for the schemas. NULL: for any.';
COMMENT ON COLUMN sync_roles.reviews.schema_match IS 'How schema_name is compared: exact or like.';
COMMENT ON COLUMN sync_roles.reviews.object_name IS
    'Rows for the objects of this name: also those whose pattern names such an object that exists. NULL: for any. With them come the rows '
    'that make others members of their roles.';
COMMENT ON COLUMN sync_roles.reviews.name_match IS 'How object_name is compared: exact or like.';
COMMENT ON COLUMN sync_roles.reviews.forbidden_id IS 'Rows that a rule is about. NULL: any.';
COMMENT ON COLUMN sync_roles.reviews.reviewers IS
    'Roles: whoever logs in as one, or as a member of one, decides, but never of what it would have itself, nor of a row that it wrote.';
COMMENT ON COLUMN sync_roles.reviews.deadline IS 'Until when items are decided. The owner may move it as long as it has not passed.';
COMMENT ON COLUMN sync_roles.reviews.undecided IS 'What becomes of items without a decision at the deadline: keep or end.';
COMMENT ON COLUMN sync_roles.reviews.reason IS 'Why: a quarter, a ticket.';
COMMENT ON COLUMN sync_roles.reviews.opened_by IS 'session_user of who opened it.';
COMMENT ON COLUMN sync_roles.reviews.opened_at IS 'When it was opened: all items are as they were then.';
COMMENT ON COLUMN sync_roles.reviews.reviewer_oids IS 'The reviewers, as they were then: a new role with the name of one is none.';
COMMENT ON COLUMN sync_roles.reviews.tried_at IS 'When it could last not be closed, as some of it was locked.';
COMMENT ON COLUMN sync_roles.reviews.closed_at IS 'When, after the deadline, all that was undecided became what undecided says.';

CREATE INDEX reviews_open ON sync_roles.reviews (deadline) WHERE closed_at IS NULL;

CREATE TABLE sync_roles.review_items (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    review_id   bigint NOT NULL REFERENCES sync_roles.reviews,
    grant_id    bigint NOT NULL,
    role_name   text COLLATE "C" NOT NULL,
    privilege   text COLLATE "C" NOT NULL,
    object_type text COLLATE "C" NOT NULL,
    schema_name text COLLATE "C",
    object_name text COLLATE "C" NOT NULL,
    selector    text COLLATE "C" NOT NULL,
    grantable   boolean NOT NULL,
    expires_at  timestamptz,
    note        text,
    source      text,
    created_by  text NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_by  text,
    updated_at  timestamptz,
    authors     text[] COLLATE "C" NOT NULL,
    decision    text COLLATE "C",
    comment     text,
    decided_by  text COLLATE "C",
    decided_at  timestamptz,
    stale       boolean,
    UNIQUE (review_id, grant_id)
);

COMMENT ON TABLE sync_roles.review_items IS
    'Rows of desired_grants as they were when a review was opened, and what was decided: a reviewer sees those that it may decide, and '
    'does so by UPDATE and SET decision, comment. They stay when the row has gone.';
COMMENT ON COLUMN sync_roles.review_items.id IS 'Given by PostgreSQL.';
COMMENT ON COLUMN sync_roles.review_items.review_id IS 'reviews.id';
COMMENT ON COLUMN sync_roles.review_items.grant_id IS 'desired_grants.id';
COMMENT ON COLUMN sync_roles.review_items.role_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.review_items.privilege IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.review_items.object_type IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.review_items.schema_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.review_items.object_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.review_items.selector IS 'As in desired_grants: all that the row points at, with patterns and exceptions.';
COMMENT ON COLUMN sync_roles.review_items.grantable IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.review_items.expires_at IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.review_items.note IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.review_items.source IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.review_items.created_by IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.review_items.created_at IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.review_items.updated_by IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.review_items.updated_at IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.review_items.authors IS 'Whoever wrote the row, or had a part in it: none of them decides.';
COMMENT ON COLUMN sync_roles.review_items.decision IS 'keep, or end: the row expires. Final.';
COMMENT ON COLUMN sync_roles.review_items.comment IS 'Why.';
COMMENT ON COLUMN sync_roles.review_items.decided_by IS 'session_user of who decided. NULL with a decision: the deadline.';
COMMENT ON COLUMN sync_roles.review_items.decided_at IS 'When.';
COMMENT ON COLUMN sync_roles.review_items.stale IS
    'When it was decided, the row was no longer as it is here, or had gone. Such a row is not ended: open another review.';

CREATE INDEX review_items_grant ON sync_roles.review_items (grant_id);
CREATE INDEX review_items_open ON sync_roles.review_items (review_id) WHERE decision IS NULL;

-- Who is who. -----------------------------------------------------------------------------------------------------------------------------

-- Not pg_has_role, by which a superuser is a member of all roles.
CREATE FUNCTION sync_roles.roles_in_use(login text) RETURNS oid[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE used AS (
        SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = login::name
        UNION
        SELECT m.role_oid
        FROM used AS u
        JOIN sync_roles.memberships AS m ON m.member_oid = u.oid AND (m.inherit_option OR m.set_option)
    )
    SELECT coalesce(array_agg(u.oid), '{}') FROM used AS u
$$;

COMMENT ON FUNCTION sync_roles.roles_in_use(text) IS
    'A role and all that it is a member of, by a name of its own or through others; not what it has only ADMIN on.';

CREATE FUNCTION sync_roles.logins_of(roles oid[]) RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE users AS (
        SELECT u.oid FROM unnest(roles) AS u (oid)
        UNION
        SELECT m.member_oid
        FROM users AS u
        JOIN sync_roles.memberships AS m ON m.role_oid = u.oid AND (m.inherit_option OR m.set_option)
    )
    SELECT coalesce(array_agg(r.rolname::text ORDER BY r.rolname), '{}')
    FROM users AS u
    JOIN pg_catalog.pg_roles AS r ON r.oid = u.oid AND r.rolcanlogin
$$;

COMMENT ON FUNCTION sync_roles.logins_of(oid[]) IS 'The logins among roles and their members.';

-- ADMIN counts: whoever has it is a member as soon as it likes. So do rows that no pass has carried out yet.
CREATE FUNCTION sync_roles.roles_reached(login text) RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE reached (role_name) AS (
        SELECT login COLLATE "C"
        UNION
        SELECT n.role_name COLLATE "C"
        FROM reached AS r
        CROSS JOIN LATERAL (
            SELECT g.rolname::text
            FROM pg_catalog.pg_roles AS u
            JOIN sync_roles.memberships AS m ON m.member_oid = u.oid
            JOIN pg_catalog.pg_roles AS g ON g.oid = m.role_oid
            WHERE u.rolname = r.role_name::name
            UNION ALL
            SELECT d.object_name
            FROM sync_roles.desired_grants AS d
            WHERE d.role_name = r.role_name AND d.object_type = 'role' AND d.privilege = 'MEMBER' AND d.name_match = 'exact'
                AND (d.expires_at IS NULL OR d.expires_at > now())
            UNION ALL
            SELECT g.rolname::text
            FROM sync_roles.desired_grants AS d
            JOIN pg_catalog.pg_roles AS g ON sync_roles.name_matches(g.rolname::text,
                sync_roles.compared_name(d.object_name, d.name_match, d.except_names),
                sync_roles.compared_match(d.name_match, d.except_names))
            WHERE d.role_name = r.role_name AND d.object_type = 'role' AND d.privilege = 'MEMBER' AND d.name_match <> 'exact'
                AND (d.expires_at IS NULL OR d.expires_at > now())
        ) AS n (role_name)
    )
    SELECT array_agg(r.role_name) FROM reached AS r
$$;

COMMENT ON FUNCTION sync_roles.roles_reached(text) IS
    'A role and all whose access is its own, may become so, or will by rows of desired_grants: of these it confirms nothing.';

-- Policies and triggers ask these about the login of the session alone.
CREATE FUNCTION sync_roles.reached_by_login() RETURNS text[]
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN sync_roles.roles_reached(session_user::text);
END
$$;

COMMENT ON FUNCTION sync_roles.reached_by_login() IS 'roles_reached, of the login of this session.';

CREATE FUNCTION sync_roles.reviews_of_login(OUT to_decide bigint[], OUT opened bigint[])
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    to_decide := ARRAY(SELECT r.id FROM sync_roles.reviews AS r WHERE r.reviewer_oids && sync_roles.roles_in_use(session_user::text));
    opened := ARRAY(SELECT r.id FROM sync_roles.reviews AS r WHERE r.opened_by = session_user);
END
$$;

COMMENT ON FUNCTION sync_roles.reviews_of_login() IS
    'The reviews in which the login of this session is a reviewer, or a member of one; and those that it opened.';

CREATE FUNCTION sync_roles.is_login() RETURNS boolean
LANGUAGE sql STABLE
RETURN current_user = session_user;

COMMENT ON FUNCTION sync_roles.is_login() IS
    'Whether a session acts as its login: without SET ROLE, and outside of SECURITY DEFINER functions of others.';

CREATE FUNCTION sync_roles.only_as_login() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF current_user <> session_user AND row_security_active(TG_RELID) THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', SCHEMA = 'sync_roles', TABLE = TG_TABLE_NAME,
            MESSAGE = format('%s of sync_roles.%s is not allowed as role %I: a person decides and asks as its login, %I',
                TG_OP, TG_TABLE_NAME, current_user, session_user),
            HINT = 'RESET ROLE.';
    END IF;
    RETURN NULL;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.only_as_login() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.only_as_login() IS 'Trigger: refuses what a session does as another role than its login.';

-- Called by triggers that run with the rights of the sequences' owner.
CREATE FUNCTION sync_roles.is_drawn(id bigint, sequence regclass) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN id = currval(sequence);
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RETURN false; -- this session has drawn none
END
$$;

COMMENT ON FUNCTION sync_roles.is_drawn(bigint, regclass) IS 'Whether this is the number that this session drew last.';

CREATE FUNCTION sync_roles.stays_on_record() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', SCHEMA = 'sync_roles', TABLE = TG_TABLE_NAME,
        MESSAGE = format('%s of sync_roles.%s is not allowed: what was decided stays on record', TG_OP, TG_TABLE_NAME);
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.stays_on_record() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.stays_on_record() IS 'Trigger: rows are not deleted.';

-- What is in scope. -----------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION sync_roles.row_authors(grant_id bigint) RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_remove(ARRAY[g.created_by, g.updated_by], NULL) FROM sync_roles.desired_grants AS g WHERE g.id = grant_id
$$;

COMMENT ON FUNCTION sync_roles.row_authors(bigint) IS 'The logins that had a part in a row of desired_grants.';

CREATE FUNCTION sync_roles.rows_of_rule(forbidden_id bigint) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM sync_roles.forbidden AS f WHERE f.id = rows_of_rule.forbidden_id) THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', SCHEMA = 'sync_roles', TABLE = 'reviews', COLUMN = 'forbidden_id',
            MESSAGE = format('forbidden_id %s is the id of no rule', rows_of_rule.forbidden_id);
    END IF;
    RETURN QUERY
        SELECT g.id
        FROM sync_roles.rule_objects AS o
        JOIN sync_roles.all_matchable_grants AS g ON g.object_type = o.object_type
            AND (g.privilege = 'ALL' OR g.privilege = ANY (o.privileges))
            AND sync_roles.in_schema(o.schema_name, coalesce(g.schema_name, ''), g.schema_match)
            AND sync_roles.means(g.object_name, g.name_match, o.object_name, o.signature)
            AND (o.column_name IS NULL OR g.column_name IS NULL OR sync_roles.is_column(o.column_name, g.column_name, g.column_match))
        WHERE o.forbidden_id = rows_of_rule.forbidden_id
        UNION
        -- Membership in a role that has it.
        SELECT g.id
        FROM (SELECT DISTINCT h.holder_oid FROM sync_roles.rule_holders AS h WHERE h.forbidden_id = rows_of_rule.forbidden_id) AS h
        JOIN pg_catalog.pg_roles AS r ON pg_has_role(r.oid, h.holder_oid, 'MEMBER') AND NOT r.rolsuper
        JOIN sync_roles.desired_grants AS g ON g.object_type = 'role' AND sync_roles.name_matches(r.rolname, g.object_name, g.name_match)
        WHERE h.holder_oid <> 0;
END
$$;

COMMENT ON FUNCTION sync_roles.rows_of_rule(bigint) IS
    'The rows of desired_grants that give what a rule is about, themselves or by membership.';

CREATE FUNCTION sync_roles.rows_to_review(review sync_roles.reviews) RETURNS SETOF bigint
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
    WITH RECURSIVE in_force AS MATERIALIZED (
        SELECT g.id, g.role_name, g.privilege, g.object_type, g.schema_name, g.schema_match, g.object_name, g.name_match, g.partitions,
            sync_roles.compared_name(g.schema_name, g.schema_match, g.except_schemas) AS schema_pattern,
            sync_roles.compared_match(g.schema_match, g.except_schemas) AS schema_pattern_match,
            sync_roles.compared_name(g.object_name, g.name_match, g.except_names) AS name_pattern,
            sync_roles.compared_match(g.name_match, g.except_names) AS name_pattern_match
        FROM sync_roles.desired_grants AS g
        WHERE g.expires_at IS NULL OR g.expires_at > now()
    ),
    objects AS MATERIALIZED (
        SELECT o.object_type, o.object_oid, o.schema_name, o.object_name, o.signature
        FROM sync_roles.objects AS o
        WHERE num_nonnulls((review).schema_name, (review).object_name) > 0
            AND (review).object_type IS DISTINCT FROM 'role'
            AND ((review).object_type IS NULL OR o.object_type = (review).object_type)
            AND ((review).schema_name IS NULL OR sync_roles.name_matches(o.schema_name, (review).schema_name, (review).schema_match))
            AND ((review).object_name IS NULL
                OR sync_roles.means((review).object_name, (review).name_match, o.object_name, o.signature))
    ),
    named AS MATERIALIZED (
        SELECT g.id, g.role_name
        FROM in_force AS g
        WHERE ((review).privilege IS NULL OR g.privilege = (review).privilege
                OR g.privilege = 'ALL' AND (review).privilege NOT IN ('OWNER', 'MEMBER'))
            AND ((review).object_type IS NULL OR g.object_type = (review).object_type)
            AND (
                ((review).schema_name IS NULL
                    OR g.schema_match = 'exact' AND sync_roles.name_matches(g.schema_name, (review).schema_name, (review).schema_match)
                    OR g.schema_name = (review).schema_name AND g.schema_match = (review).schema_match
                    OR g.object_type = 'schema' AND (review).object_name IS NULL AND g.name_match = 'exact'
                        AND sync_roles.name_matches(g.object_name, (review).schema_name, (review).schema_match)
                ) AND ((review).object_name IS NULL
                    OR g.name_match = 'exact' AND (sync_roles.name_matches(g.object_name, (review).object_name, (review).name_match)
                        OR sync_roles.name_matches(sync_roles.own_name(g.object_type, g.object_name), (review).object_name,
                            (review).name_match))
                    OR g.object_name = (review).object_name AND g.name_match = (review).name_match)
                OR (g.name_match <> 'exact' OR g.schema_match <> 'exact' OR g.object_type = 'routine') AND EXISTS (
                    SELECT
                    FROM objects AS o
                    WHERE o.object_type = g.object_type
                        AND (g.schema_name IS NULL OR sync_roles.name_matches(o.schema_name, g.schema_pattern, g.schema_pattern_match))
                        AND sync_roles.means(g.name_pattern, g.name_pattern_match, o.object_name, o.signature)
                )
                OR g.partitions AND EXISTS (
                    SELECT
                    FROM sync_roles.find_partitions(g.schema_pattern, g.schema_pattern_match, g.name_pattern, g.name_pattern_match) AS p
                    JOIN objects AS o ON o.object_type = 'table' AND o.object_oid = p.object_oid
                )
            )
    ),
    -- Whoever is a member of a role has what it has.
    holders (role_name) AS (
        SELECT n.role_name
        FROM named AS n
        WHERE num_nonnulls((review).privilege, (review).object_type, (review).schema_name, (review).object_name) > 0
        UNION
        SELECT g.role_name
        FROM holders AS h
        JOIN in_force AS g ON g.object_type = 'role' AND g.privilege = 'MEMBER'
            AND sync_roles.name_matches(h.role_name, g.name_pattern, g.name_pattern_match)
    )
    SELECT g.id
    FROM in_force AS g
    WHERE (g.id IN (SELECT n.id FROM named AS n)
            OR g.object_type = 'role' AND g.privilege = 'MEMBER' AND EXISTS (
                SELECT FROM holders AS h WHERE sync_roles.name_matches(h.role_name, g.name_pattern, g.name_pattern_match)
            ))
        AND ((review).role_name IS NULL OR sync_roles.name_matches(g.role_name, (review).role_name, (review).role_match))
$$;

COMMENT ON FUNCTION sync_roles.rows_to_review(sync_roles.reviews) IS
    'The rows of desired_grants that are in the scope of a review, and the memberships by which others have what these give.';

-- Opening. --------------------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION sync_roles.review_problem(review sync_roles.reviews) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    scope record;
    reviewer text;
    problem text;
BEGIN
    FOR scope IN
        SELECT s.*
        FROM (VALUES ('role_name', review.role_name, 'role_match', review.role_match),
            ('schema_name', review.schema_name, 'schema_match', review.schema_match),
            ('object_name', review.object_name, 'name_match', review.name_match)) AS s (column_name, name, match_column, match)
    LOOP
        problem := CASE
            WHEN scope.match NOT IN ('exact', 'like') THEN
                format('%s %L is unknown: allowed are exact, like', scope.match_column, scope.match)
            WHEN scope.match = 'like' AND scope.name IS NULL THEN
                format('%s like is not allowed without %s', scope.match_column, scope.column_name)
            WHEN scope.match = 'like' THEN sync_roles.other_pattern_problem(scope.column_name, scope.name, scope.match)
            WHEN scope.column_name <> 'object_name' THEN sync_roles.name_problem(scope.column_name, scope.name)
        END;
        IF problem IS NOT NULL THEN
            RETURN problem;
        END IF;
    END LOOP;
    IF review.object_type IS NOT NULL AND sync_roles.privileges_of(review.object_type) IS NULL THEN
        RETURN format('object_type %L is unknown', review.object_type) || sync_roles.did_you_mean('object_type', review.object_type);
    ELSIF review.privilege IS NOT NULL AND review.privilege NOT IN ('ALL', 'OWNER') AND review.privilege <> ALL (ARRAY(
            SELECT p
            FROM unnest(string_to_array('role,database,schema,table,sequence,routine,type,language,foreign_data_wrapper,foreign_server,'
                || 'tablespace,parameter,large_object,property_graph', ',')) AS t
            CROSS JOIN LATERAL unnest(sync_roles.privileges_of(t)) AS p
        )) THEN
        RETURN format('privilege %L does not exist on this server', review.privilege)
            || sync_roles.did_you_mean('privilege', review.privilege);
    ELSIF num_nonnulls(review.role_name, review.privilege, review.object_type, review.schema_name, review.object_name,
            review.forbidden_id) = 0 THEN
        RETURN 'role_name is NULL, as are privilege, object_type, schema_name, object_name and forbidden_id: a review says what it is '
            || 'about. For everything, role_name % with role_match like';
    ELSIF review.deadline <= now() THEN
        RETURN format('deadline %s has passed: it must be later than now', review.deadline);
    ELSIF NOT isfinite(review.deadline) THEN
        RETURN format('deadline %s never comes: it must be a time', review.deadline);
    ELSIF review.undecided NOT IN ('keep', 'end') THEN
        RETURN format('undecided %L is unknown: allowed are keep, end', review.undecided);
    ELSIF btrim(review.reason) = '' THEN
        RETURN 'reason is empty: it says why, such as a ticket';
    ELSIF cardinality(review.reviewers) = 0 THEN
        RETURN 'reviewers is empty: at least one role must decide';
    ELSIF array_ndims(review.reviewers) > 1 OR cardinality(review.reviewers) > 1000 THEN
        RETURN 'reviewers must be a list of at most 1000 roles';
    END IF;
    FOREACH reviewer IN ARRAY review.reviewers LOOP
        IF reviewer IS NULL THEN
            RETURN 'reviewers has a NULL: names of roles are allowed';
        ELSIF reviewer = 'public' THEN
            RETURN 'reviewers has ''public'': a review needs roles that answer for it';
        ELSIF octet_length(reviewer) > 63 OR NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = reviewer) THEN
            RETURN format('reviewers has %L, and there is no such role', reviewer);
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION sync_roles.review_problem(sync_roles.reviews) IS 'Why a review cannot be opened, or NULL.';

CREATE FUNCTION sync_roles.open_review() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_owner constant boolean := pg_has_role(session_user, current_user, 'MEMBER');
    problem text;
BEGIN
    IF NOT is_owner AND NOT sync_roles.is_drawn(NEW.id, 'sync_roles.reviews_id_seq') THEN
        problem := format('id %s was not generated for this row: leave it out', NEW.id);
    ELSIF NEW.opened_by IS DISTINCT FROM session_user THEN
        problem := format('opened_by %L is not the login of this session, %L: leave it out', NEW.opened_by, session_user);
    ELSIF NEW.deadline IS NULL OR NEW.reviewers IS NULL OR NEW.reason IS NULL OR NEW.undecided IS NULL
        OR NEW.role_match IS NULL OR NEW.schema_match IS NULL OR NEW.name_match IS NULL THEN
        RETURN NEW; -- the columns are NOT NULL
    ELSE
        problem := sync_roles.review_problem(NEW);
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', SCHEMA = 'sync_roles', TABLE = 'reviews',
            COLUMN = split_part(problem, ' ', 1), MESSAGE = problem;
    END IF;
    NEW.opened_at := now();
    NEW.tried_at := NULL;
    NEW.closed_at := NULL;
    NEW.reviewer_oids := ARRAY(SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = ANY (NEW.reviewers) ORDER BY r.oid);
    RETURN NEW;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.open_review() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.open_review() IS 'Trigger: refuses a review that cannot be opened, and notes who opens it.';

CREATE FUNCTION sync_roles.freeze_review() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    is_owner constant boolean := pg_has_role(session_user, current_user, 'MEMBER');
    scopes constant sync_roles.my_scopes[] := ARRAY(
        SELECT ROW(w.id, w.writer_role, w.grantee_like, w.object_type, w.privileges, w.schema_like, w.object_like, w.grantable, w.public,
            w.may_create_roles, w.max_rows, w.max_patterns, w.max_direct)::sync_roles.my_scopes
        FROM sync_roles.writers AS w
        WHERE NOT is_owner AND octet_length(w.writer_role) <= 63
            AND pg_has_role(session_user, to_regrole(quote_ident(w.writer_role))::oid, 'MEMBER')
    );
    logins constant text[] := sync_roles.logins_of(NEW.reviewer_oids);
    undecidable text[];
    powerless text;
BEGIN
    INSERT INTO sync_roles.review_items (review_id, grant_id, role_name, privilege, object_type, schema_name, object_name, selector,
        grantable, expires_at, note, source, created_by, created_at, updated_by, updated_at, authors)
    SELECT NEW.id, g.id, g.role_name, g.privilege, g.object_type, g.schema_name, g.object_name, g.selector, g.grantable, g.expires_at,
        g.note, g.source, g.created_by, g.created_at, g.updated_by, g.updated_at, sync_roles.row_authors(g.id)
    FROM sync_roles.desired_grants AS g
    WHERE g.id IN (SELECT i FROM sync_roles.rows_to_review(NEW) AS i)
        AND (NEW.forbidden_id IS NULL OR g.id IN (SELECT i FROM sync_roles.rows_of_rule(NEW.forbidden_id) AS i))
        AND (is_owner OR EXISTS (
            SELECT
            FROM unnest(scopes) AS s
            WHERE sync_roles.scope_problem(s, g.role_name, g.privilege, g.object_type, g.schema_name, g.schema_match, g.object_name,
                g.name_match, g.partitions, g.grantable, NULL) IS NULL
        ))
    ORDER BY g.role_name, g.selector;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'no_data_found', SCHEMA = 'sync_roles', TABLE = 'reviews',
            MESSAGE = 'no row of desired_grants is in the scope of this review: there is nothing to confirm',
            HINT = CASE WHEN is_owner THEN 'Names are exact, unless role_match, schema_match or name_match is like.'
                ELSE format('Only rows count that are in a scope of %I: SELECT * FROM sync_roles.my_scopes.', session_user) END;
    END IF;

    WITH people AS MATERIALIZED (
        SELECT l.login, sync_roles.roles_reached(l.login) AS reached FROM unnest(logins) AS l (login)
    )
    SELECT array_agg(u.item) INTO undecidable
    FROM (
        SELECT format('%s: %s', quote_ident(i.role_name), i.selector) AS item
        FROM sync_roles.review_items AS i
        WHERE i.review_id = NEW.id AND NOT EXISTS (
                SELECT FROM people AS p WHERE i.role_name <> ALL (p.reached) AND p.login <> ALL (i.authors)
            )
        ORDER BY i.id
        LIMIT 6
    ) AS u;
    IF cardinality(logins) = 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', SCHEMA = 'sync_roles', TABLE = 'reviews', COLUMN = 'reviewers',
            MESSAGE = format('reviewers %s have no login: nobody could decide', NEW.reviewers::text);
    ELSIF undecidable IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', SCHEMA = 'sync_roles', TABLE = 'reviews', COLUMN = 'reviewers',
            MESSAGE = format('reviewers %s could not decide of %s%s', NEW.reviewers::text, array_to_string(undecidable[:5], '; '),
                CASE WHEN cardinality(undecidable) > 5 THEN '; and more' ELSE '' END),
            DETAIL = 'Nobody decides of access that it has, or could have, itself, nor of a row that it wrote.',
            HINT = 'Add a reviewer that is neither, or leave these rows out of the scope.';
    END IF;

    SELECT quote_ident(l.login) INTO powerless
    FROM unnest(logins) AS l (login)
    WHERE NOT has_schema_privilege(l.login, 'sync_roles', 'USAGE') OR NOT has_table_privilege(l.login, 'sync_roles.review_items', 'SELECT')
        OR NOT has_column_privilege(l.login, 'sync_roles.review_items', 'decision', 'UPDATE')
    LIMIT 1;
    IF FOUND THEN
        RAISE WARNING USING MESSAGE = format('reviewer %s has not the privileges to decide', powerless),
            HINT = format('GRANT USAGE ON SCHEMA sync_roles TO %s; GRANT SELECT ON sync_roles.reviews, sync_roles.review_items TO %1$s; '
                || 'GRANT UPDATE (decision, comment) ON sync_roles.review_items TO %1$s;', powerless);
    END IF;
    PERFORM pg_notify('sync_roles', ''); -- the daemon asks again what is due next
    RETURN NULL;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.freeze_review() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.freeze_review() IS
    'Trigger: notes which rows are to be confirmed, and refuses a review of nothing, or one that no reviewer could decide.';

CREATE FUNCTION sync_roles.keep_review() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    expected sync_roles.reviews := OLD;
    problem text;
BEGIN
    expected.deadline := NEW.deadline;
    expected.tried_at := NEW.tried_at;
    expected.closed_at := NEW.closed_at;
    IF NEW IS DISTINCT FROM expected THEN
        problem := 'deadline is all that changes: open another review for another scope, other reviewers, or another outcome';
    ELSIF NEW.deadline <> OLD.deadline AND OLD.deadline <= now() THEN
        problem := format('deadline %s has passed, and does not change any more', OLD.deadline);
    ELSIF NEW.deadline <> OLD.deadline AND (NEW.deadline <= now() OR NOT isfinite(NEW.deadline)) THEN
        problem := format('deadline %s is not allowed: it must be later than now', NEW.deadline);
    ELSIF NEW.closed_at IS DISTINCT FROM OLD.closed_at AND (OLD.closed_at IS NOT NULL OR NEW.deadline > now() OR EXISTS (
            SELECT FROM sync_roles.review_items AS i WHERE i.review_id = NEW.id AND i.decision IS NULL
        )) THEN
        problem := 'closed_at is set by the daemon, after the deadline';
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', SCHEMA = 'sync_roles', TABLE = 'reviews',
            COLUMN = split_part(problem, ' ', 1), MESSAGE = problem;
    END IF;
    IF NEW.deadline <> OLD.deadline THEN
        PERFORM pg_notify('sync_roles', '');
    END IF;
    RETURN NEW;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.keep_review() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.keep_review() IS 'Trigger: of a review, only the deadline changes, and not after it has passed.';

CREATE TRIGGER only_as_login BEFORE INSERT OR UPDATE ON sync_roles.reviews
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.only_as_login();
CREATE TRIGGER open_review BEFORE INSERT ON sync_roles.reviews FOR EACH ROW EXECUTE FUNCTION sync_roles.open_review();
CREATE TRIGGER freeze_review AFTER INSERT ON sync_roles.reviews FOR EACH ROW EXECUTE FUNCTION sync_roles.freeze_review();
CREATE TRIGGER keep_review BEFORE UPDATE ON sync_roles.reviews FOR EACH ROW EXECUTE FUNCTION sync_roles.keep_review();
CREATE TRIGGER stays_on_record BEFORE DELETE OR TRUNCATE ON sync_roles.reviews
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.stays_on_record();

-- Deciding. -------------------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION sync_roles.is_as_frozen(item sync_roles.review_items) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (
        SELECT
        FROM sync_roles.desired_grants AS g
        WHERE g.id = (item).grant_id AND g.role_name = (item).role_name AND g.selector = (item).selector
            AND g.grantable = (item).grantable AND g.created_at = (item).created_at
            AND g.expires_at IS NOT DISTINCT FROM (item).expires_at AND g.updated_at IS NOT DISTINCT FROM (item).updated_at
    )
$$;

COMMENT ON FUNCTION sync_roles.is_as_frozen(sync_roles.review_items) IS
    'Whether the row of an item is as it was when the review was opened.';

CREATE FUNCTION sync_roles.decide_item() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    review record;
    asked constant text := NEW.decision;
    comment constant text := NEW.comment;
    problem text;
BEGIN
    -- What changes nothing is no decision: obey_decisions does not see it.
    IF NEW IS NOT DISTINCT FROM OLD THEN
        RETURN NULL;
    END IF;
    SELECT r.deadline, r.undecided, r.closed_at INTO review FROM sync_roles.reviews AS r WHERE r.id = OLD.review_id;
    NEW := OLD;
    NEW.decision := asked;
    NEW.comment := comment;
    NEW.decided_by := session_user;
    NEW.decided_at := now();
    problem := CASE
        WHEN OLD.decision IS NOT NULL THEN format('decision of item %s is final: %s, by %s, at %s', OLD.id, OLD.decision,
            coalesce(quote_ident(OLD.decided_by), 'the deadline'), OLD.decided_at)
        WHEN asked IS NULL THEN 'decision is NULL: allowed are keep, end'
        WHEN asked NOT IN ('keep', 'end') THEN format('decision %L is unknown: allowed are keep, end', asked)
        WHEN octet_length(comment) > 10000 THEN format('comment has %s bytes: it has at most 10000', octet_length(comment))
        WHEN review.deadline <= now() AND NOT (pg_has_role(session_user, current_user, 'MEMBER') AND asked = review.undecided) THEN
            format('decision comes too late: the deadline of review %s was %s', OLD.review_id, review.deadline)
    END;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', SCHEMA = 'sync_roles', TABLE = 'review_items',
            COLUMN = split_part(problem, ' ', 1), MESSAGE = problem;
    END IF;
    IF review.deadline <= now() THEN
        NEW.decided_by := NULL;
    END IF;
    -- So that the row is still so when it ends.
    IF asked = 'end' THEN
        PERFORM FROM sync_roles.desired_grants AS g WHERE g.id = OLD.grant_id FOR UPDATE;
    END IF;
    NEW.stale := NOT sync_roles.is_as_frozen(OLD);
    RETURN NEW;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.decide_item() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.decide_item() IS
    'Trigger: of an item, only decision and comment change, once; it notes who decides, and when.';

CREATE FUNCTION sync_roles.obey_decisions() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    own constant bigint[] := (sync_roles.reviews_of_login()).to_decide;
    reached text[];
    wrong text;
    stale bigint;
BEGIN
    IF EXISTS (SELECT FROM new_rows AS n WHERE n.decided_by IS NOT NULL) THEN
        reached := sync_roles.reached_by_login();
        SELECT CASE
            WHEN NOT n.review_id = ANY (own) THEN
                format('item %s is not for login %I to decide: it is no reviewer of review %s, nor a member of one', n.id, session_user,
                    n.review_id)
            WHEN n.role_name = ANY (reached) THEN
                format('item %s is not for login %I to decide: role %I is itself, or one whose access is, or may become, its own', n.id,
                    session_user, n.role_name)
            ELSE format('item %s is not for login %I to decide: it wrote the row, or had a part in it', n.id, session_user)
        END INTO wrong
        FROM new_rows AS n
        WHERE n.decided_by IS NOT NULL
            AND NOT (n.review_id = ANY (own) AND n.role_name <> ALL (reached)
                AND session_user::text <> ALL (n.authors || coalesce(sync_roles.row_authors(n.grant_id), '{}')))
        LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', SCHEMA = 'sync_roles', TABLE = 'review_items', MESSAGE = wrong;
        END IF;
    END IF;

    -- By id: a join with a large transition table would be a nested loop, and one with a hash would read all rows for one item.
    UPDATE sync_roles.desired_grants AS g
    SET expires_at = now()
    WHERE g.id = ANY (ARRAY(SELECT n.grant_id FROM new_rows AS n WHERE n.decision = 'end' AND NOT n.stale));

    SELECT count(*) INTO stale FROM new_rows AS n WHERE n.decision = 'end' AND n.stale;
    IF stale > 0 THEN
        RAISE NOTICE USING MESSAGE = format(
            '%s items are stale: their rows have changed or gone since the review was opened, and were not ended', stale);
    END IF;
    RETURN NULL;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.obey_decisions() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.obey_decisions() IS
    'Trigger: refuses decisions of who may not decide, and lets the rows expire of which it was decided so.';

CREATE TRIGGER only_as_login BEFORE UPDATE ON sync_roles.review_items
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.only_as_login();
CREATE TRIGGER decide_item BEFORE UPDATE ON sync_roles.review_items FOR EACH ROW EXECUTE FUNCTION sync_roles.decide_item();
CREATE TRIGGER obey_decisions AFTER UPDATE ON sync_roles.review_items
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.obey_decisions();
CREATE TRIGGER stays_on_record BEFORE DELETE OR TRUNCATE ON sync_roles.review_items
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.stays_on_record();

-- Waits for no lock of theirs: neither a reviewer nor a writer holds up the daemon. A locked review is closed a little later.
CREATE FUNCTION sync_roles.close_reviews() RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '1 s' -- of what triggers lock
AS $$
DECLARE
    review record;
    closed bigint := 0;
    all_decided boolean;
BEGIN
    FOR review IN
        SELECT r.id, r.undecided
        FROM sync_roles.reviews AS r
        WHERE r.deadline <= now() AND r.closed_at IS NULL
        ORDER BY r.deadline, r.id
        FOR UPDATE SKIP LOCKED
    LOOP
        BEGIN
            LOCK TABLE sync_roles.review_items, sync_roles.desired_grants IN ROW EXCLUSIVE MODE NOWAIT;
            WITH items AS MATERIALIZED (
                SELECT i.id, i.grant_id
                FROM sync_roles.review_items AS i
                WHERE i.review_id = review.id AND i.decision IS NULL
                FOR UPDATE SKIP LOCKED
            ),
            rows AS MATERIALIZED (
                SELECT g.id
                FROM sync_roles.desired_grants AS g
                WHERE g.id IN (SELECT i.grant_id FROM items AS i)
                FOR UPDATE SKIP LOCKED
            )
            UPDATE sync_roles.review_items AS i
            SET decision = review.undecided
            FROM items AS u
            WHERE i.id = u.id AND (u.grant_id IN (SELECT r.id FROM rows AS r)
                OR NOT EXISTS (SELECT FROM sync_roles.desired_grants AS g WHERE g.id = u.grant_id));
            all_decided := NOT EXISTS (
                SELECT FROM sync_roles.review_items AS i WHERE i.review_id = review.id AND i.decision IS NULL
            );
        EXCEPTION WHEN lock_not_available THEN
            all_decided := false;
        END;
        UPDATE sync_roles.reviews AS r
        SET tried_at = CASE WHEN all_decided THEN r.tried_at ELSE now() END, closed_at = CASE WHEN all_decided THEN now() END
        WHERE r.id = review.id;
        closed := closed + all_decided::integer;
    END LOOP;
    RETURN closed;
END
$$;

COMMENT ON FUNCTION sync_roles.close_reviews() IS
    'Closes the reviews whose deadline has passed, and returns how many: undecided items are kept, or end, as they say. The daemon calls '
    'it when one is due.';

CREATE FUNCTION sync_roles.review_due(deadline timestamptz, tried_at timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE
RETURN greatest(deadline, tried_at + '5 s'::interval);

COMMENT ON FUNCTION sync_roles.review_due(timestamptz, timestamptz) IS 'When a review is to be closed, or to be tried again.';

-- Seeing. ---------------------------------------------------------------------------------------------------------------------------------

ALTER TABLE sync_roles.reviews ENABLE ROW LEVEL SECURITY;
ALTER TABLE sync_roles.review_items ENABLE ROW LEVEL SECURITY;

CREATE POLICY people_see ON sync_roles.reviews FOR SELECT
    USING (sync_roles.is_login() AND (opened_by = session_user
        OR id = ANY ((SELECT (sync_roles.reviews_of_login()).to_decide)::bigint[])));
CREATE POLICY people_open ON sync_roles.reviews FOR INSERT
    WITH CHECK (sync_roles.is_login() AND opened_by = session_user);
CREATE POLICY people_see ON sync_roles.review_items FOR SELECT
    USING (sync_roles.is_login() AND (review_id = ANY ((SELECT (sync_roles.reviews_of_login()).opened)::bigint[])
        OR review_id = ANY ((SELECT (sync_roles.reviews_of_login()).to_decide)::bigint[])
            AND role_name <> ALL ((SELECT sync_roles.reached_by_login())::text[]) AND session_user::text <> ALL (authors)));
CREATE POLICY reviewers_decide ON sync_roles.review_items FOR UPDATE
    USING (sync_roles.is_login() AND review_id = ANY ((SELECT (sync_roles.reviews_of_login()).to_decide)::bigint[])
        AND role_name <> ALL ((SELECT sync_roles.reached_by_login())::text[]) AND session_user::text <> ALL (authors));

CREATE VIEW sync_roles.review_status AS
SELECT r.id, r.reason, r.opened_by, r.opened_at, r.reviewers, r.deadline, r.undecided,
    CASE WHEN r.closed_at IS NOT NULL THEN 'closed' WHEN i.open = 0 THEN 'decided' WHEN r.deadline <= now() THEN 'due' ELSE 'open' END
        AS status,
    i.items, i.open, i.kept, i.ended, i.by_deadline, i.stale, i.decided_by, r.closed_at
FROM sync_roles.reviews AS r
CROSS JOIN LATERAL (
    SELECT count(*) AS items, count(*) FILTER (WHERE i.decision IS NULL) AS open,
        count(*) FILTER (WHERE i.decision = 'keep') AS kept, count(*) FILTER (WHERE i.decision = 'end' AND NOT i.stale) AS ended,
        count(*) FILTER (WHERE i.decision IS NOT NULL AND i.decided_by IS NULL) AS by_deadline,
        count(*) FILTER (WHERE i.stale) AS stale,
        array_agg(DISTINCT i.decided_by ORDER BY i.decided_by) FILTER (WHERE i.decided_by IS NOT NULL) AS decided_by
    FROM sync_roles.review_items AS i
    WHERE i.review_id = r.id
) AS i;

COMMENT ON VIEW sync_roles.review_status IS 'Each review, and how far it has come. Whoever may read it sees all.';
COMMENT ON COLUMN sync_roles.review_status.id IS 'reviews.id';
COMMENT ON COLUMN sync_roles.review_status.reason IS 'As in reviews.';
COMMENT ON COLUMN sync_roles.review_status.opened_by IS 'As in reviews.';
COMMENT ON COLUMN sync_roles.review_status.opened_at IS 'As in reviews.';
COMMENT ON COLUMN sync_roles.review_status.reviewers IS 'As in reviews.';
COMMENT ON COLUMN sync_roles.review_status.deadline IS 'As in reviews.';
COMMENT ON COLUMN sync_roles.review_status.undecided IS 'As in reviews.';
COMMENT ON COLUMN sync_roles.review_status.status IS
    'open; decided: no item is open; due: the deadline has passed, and the daemon has not closed it yet; closed.';
COMMENT ON COLUMN sync_roles.review_status.items IS 'How many items it has.';
COMMENT ON COLUMN sync_roles.review_status.open IS 'How many have no decision.';
COMMENT ON COLUMN sync_roles.review_status.kept IS 'How many were kept.';
COMMENT ON COLUMN sync_roles.review_status.ended IS 'How many were ended.';
COMMENT ON COLUMN sync_roles.review_status.by_deadline IS 'How many of both the deadline decided.';
COMMENT ON COLUMN sync_roles.review_status.stale IS 'Of how many the row had changed or gone by then: these were not ended.';
COMMENT ON COLUMN sync_roles.review_status.decided_by IS 'Who has decided.';
COMMENT ON COLUMN sync_roles.review_status.closed_at IS 'As in reviews.';

-- What was decided stays in the table; the rest is in desired_history.
CREATE TRIGGER keep_versions AFTER INSERT OR UPDATE OR DELETE ON sync_roles.reviews
    FOR EACH ROW EXECUTE FUNCTION sync_roles.keep_versions('id');
CREATE TRIGGER keep_truncate BEFORE TRUNCATE ON sync_roles.reviews
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.keep_versions('id');
ALTER TABLE sync_roles.reviews ENABLE ALWAYS TRIGGER keep_versions;
ALTER TABLE sync_roles.reviews ENABLE ALWAYS TRIGGER keep_truncate;

UPDATE sync_roles.installation SET schema_version = 30;
