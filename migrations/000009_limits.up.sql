-- What keeps one writer's rows from costing others theirs: patterns that cost too much are left out, and deletions are told apart, so that
-- a limit holds the one that exceeds it.

-- Patterns. -------------------------------------------------------------------------------------------------------------------------------

-- chr(92) is the backslash: a literal with one would mean what the session's standard_conforming_strings says.
CREATE FUNCTION sync_roles.refers_back(pattern text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN strpos(pattern, chr(92)) = 0 THEN false
    ELSE replace(pattern, chr(92) || chr(92), '') COLLATE "C" ~ (chr(92) || chr(92) || '[1-9]')
END;

COMMENT ON FUNCTION sync_roles.refers_back(text) IS 'Whether a regex has a back-reference (or an octal escape that looks like one), which can take minutes on a short name.';

-- The collation is that of the catalogs' names.
CREATE OR REPLACE FUNCTION sync_roles.name_matches(name text, pattern text, name_match text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE name_match
    WHEN 'exact' THEN name COLLATE "C" = pattern COLLATE "C"
    WHEN 'like' THEN name COLLATE "C" LIKE pattern COLLATE "C"
    ELSE CASE WHEN sync_roles.refers_back(pattern) THEN false ELSE name COLLATE "C" ~ ('^(?:' || pattern || ')$') COLLATE "C" END
END;

COMMENT ON FUNCTION sync_roles.name_matches(text, text, text) IS 'Whether an object''s own name is what object_name and name_match ask for. A regex with a back-reference matches nothing.';

CREATE TABLE sync_roles.costly_patterns (
    object_type text COLLATE "C" NOT NULL,
    schema_name text COLLATE "C" NOT NULL,
    object_name text COLLATE "C" NOT NULL,
    name_match  text COLLATE "C" NOT NULL,
    measured_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (object_name, object_type, schema_name, name_match)
);

COMMENT ON TABLE sync_roles.costly_patterns IS 'Patterns of which comparing with all names takes too long. Passes leave out the rows that have them, and report these; rescans measure them again.';
COMMENT ON COLUMN sync_roles.costly_patterns.object_type IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.costly_patterns.schema_name IS 'As in desired_grants; empty instead of NULL.';
COMMENT ON COLUMN sync_roles.costly_patterns.object_name IS 'The pattern, as in desired_grants.';
COMMENT ON COLUMN sync_roles.costly_patterns.name_match IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.costly_patterns.measured_at IS 'When it was last found to take too long.';

-- Deletions. ------------------------------------------------------------------------------------------------------------------------------

ALTER TABLE sync_roles.withdrawn
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN withdrawn_by text NOT NULL DEFAULT session_user;

COMMENT ON COLUMN sync_roles.withdrawn.expires_at IS 'desired_grants.expires_at';
COMMENT ON COLUMN sync_roles.withdrawn.withdrawn_by IS 'session_user of who deleted or changed it, or shortened its time.';
COMMENT ON COLUMN sync_roles.withdrawn.expired IS 'Its time was over, and nobody had shortened it: taking away what it gave is never held.';
COMMENT ON COLUMN sync_roles.withdrawn.transaction IS 'The transaction that deleted or changed it, or shortened its time: what one takes away counts as one against --max-revokes.';

CREATE TABLE sync_roles.shortened_grants (
    grant_id     bigint PRIMARY KEY,
    until        timestamptz NOT NULL,
    transaction  xid8 NOT NULL DEFAULT pg_current_xact_id(),
    shortened_by text NOT NULL DEFAULT session_user
);

COMMENT ON TABLE sync_roles.shortened_grants IS 'Rows of desired_grants that end earlier than what they say was to last: whoever writes an earlier expires_at takes away as much as by a DELETE, and that counts as one.';
COMMENT ON COLUMN sync_roles.shortened_grants.grant_id IS 'desired_grants.id';
COMMENT ON COLUMN sync_roles.shortened_grants.until IS 'When it was to end before; infinity: never.';
COMMENT ON COLUMN sync_roles.shortened_grants.transaction IS 'The transaction that shortened it.';
COMMENT ON COLUMN sync_roles.shortened_grants.shortened_by IS 'session_user of who shortened it.';

CREATE TABLE sync_roles.recent_revokes (
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    revokes bigint NOT NULL
);

CREATE INDEX recent_revokes_at ON sync_roles.recent_revokes (at);

COMMENT ON TABLE sync_roles.recent_revokes IS 'How much passes took away that counts against --max-revokes, for --max-revokes-window. What expired or was approved is not in it.';
COMMENT ON COLUMN sync_roles.recent_revokes.at IS 'When.';
COMMENT ON COLUMN sync_roles.recent_revokes.revokes IS 'How much, counted as in audit.';

ALTER TABLE sync_roles.held ADD COLUMN changes text[];

COMMENT ON TABLE sync_roles.held IS 'Roles from which something is not taken away until a person approves, because with what the same deletion takes from others it is more than --max-revokes and --max-revokes-percent allow. Putting the rows back clears it. What else the role loses is not held.';
COMMENT ON COLUMN sync_roles.held.revokes IS 'How much of it is held, counted as in audit.';
COMMENT ON COLUMN sync_roles.held.changes IS 'What is not taken away, in words. NULL: all that was to be taken away when this program was upgraded.';

-- Rows as passes read them. ---------------------------------------------------------------------------------------------------------------

CREATE VIEW sync_roles.grants_in_force AS
SELECT g.id, g.role_name, g.privilege, g.object_type, g.schema_name, g.object_name, g.name_match, g.column_name, g.direct, g.grantable,
    g.create_if_not_exists, g.expires_at, g.created_at
FROM sync_roles.desired_grants AS g
WHERE g.expires_at IS NULL OR g.expires_at > now();

COMMENT ON VIEW sync_roles.grants_in_force IS 'desired_grants that have not expired. One that has can still be there: somebody holds a lock on it.';
COMMENT ON COLUMN sync_roles.grants_in_force.id IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.grants_in_force.role_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.grants_in_force.privilege IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.grants_in_force.object_type IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.grants_in_force.schema_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.grants_in_force.object_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.grants_in_force.name_match IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.grants_in_force.column_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.grants_in_force.direct IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.grants_in_force.grantable IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.grants_in_force.create_if_not_exists IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.grants_in_force.expires_at IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.grants_in_force.created_at IS 'As in desired_grants.';

CREATE VIEW sync_roles.matchable_grants AS
SELECT g.id, g.role_name, g.privilege, g.object_type, g.schema_name, g.object_name, g.name_match, g.column_name, g.direct, g.grantable,
    g.create_if_not_exists, g.expires_at, g.created_at
FROM sync_roles.desired_grants AS g
WHERE (g.expires_at IS NULL OR g.expires_at > now())
    AND (g.name_match = 'exact' OR NOT EXISTS (
        SELECT
        FROM sync_roles.costly_patterns AS c
        WHERE c.object_name = g.object_name AND c.object_type = g.object_type AND c.schema_name = coalesce(g.schema_name, '')
            AND c.name_match = g.name_match
    ));

COMMENT ON VIEW sync_roles.matchable_grants IS 'desired_grants that have not expired, without those of which the pattern costs too much.';
COMMENT ON COLUMN sync_roles.matchable_grants.id IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.matchable_grants.role_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.matchable_grants.privilege IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.matchable_grants.object_type IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.matchable_grants.schema_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.matchable_grants.object_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.matchable_grants.name_match IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.matchable_grants.column_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.matchable_grants.direct IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.matchable_grants.grantable IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.matchable_grants.create_if_not_exists IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.matchable_grants.expires_at IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.matchable_grants.created_at IS 'As in desired_grants.';

CREATE OR REPLACE VIEW sync_roles.desired_holdings AS
SELECT g.id, g.role_name, g.privilege, g.object_type, coalesce(g.schema_name, '') AS schema_name, g.object_name,
    g.name_match, coalesce(g.column_name, '') AS column_name, g.direct, g.grantable
FROM sync_roles.desired_grants AS g
WHERE (g.expires_at IS NULL OR g.expires_at > now())
    AND (g.name_match = 'exact' OR NOT EXISTS (
        SELECT
        FROM sync_roles.costly_patterns AS c
        WHERE c.object_name = g.object_name AND c.object_type = g.object_type AND c.schema_name = coalesce(g.schema_name, '')
            AND c.name_match = g.name_match
    ))
UNION ALL
SELECT NULL, i.role_name, i.privilege, i.object_type, coalesce(i.schema_name, ''), i.object_name,
    i.name_match, coalesce(i.column_name, ''), true, false
FROM sync_roles.intermediate_roles AS i
WHERE i.name_match = 'exact' OR NOT EXISTS (
    SELECT
    FROM sync_roles.costly_patterns AS c
    WHERE c.object_name = i.object_name AND c.object_type = i.object_type AND c.schema_name = coalesce(i.schema_name, '')
        AND c.name_match = i.name_match
);

COMMENT ON VIEW sync_roles.desired_holdings IS 'desired_grants that have not expired, and what each intermediate role should hold; without those of which the pattern costs too much.';

CREATE VIEW sync_roles.matchable_withdrawn AS
SELECT w.id, w.grant_id, w.role_name, w.privilege, w.object_type, w.schema_name, w.object_name, w.name_match, w.column_name, w.direct,
    w.grantable, w.expired, w.transaction::text::bigint AS transaction
FROM sync_roles.withdrawn AS w
WHERE w.name_match = 'exact' OR NOT EXISTS (
    SELECT
    FROM sync_roles.costly_patterns AS c
    WHERE c.object_name = w.object_name AND c.object_type = w.object_type AND c.schema_name = coalesce(w.schema_name, '')
        AND c.name_match = w.name_match
);

COMMENT ON VIEW sync_roles.matchable_withdrawn IS 'withdrawn, without the rows of which the pattern costs too much.';
COMMENT ON COLUMN sync_roles.matchable_withdrawn.id IS 'As in withdrawn.';
COMMENT ON COLUMN sync_roles.matchable_withdrawn.grant_id IS 'As in withdrawn.';
COMMENT ON COLUMN sync_roles.matchable_withdrawn.role_name IS 'As in withdrawn.';
COMMENT ON COLUMN sync_roles.matchable_withdrawn.privilege IS 'As in withdrawn.';
COMMENT ON COLUMN sync_roles.matchable_withdrawn.object_type IS 'As in withdrawn.';
COMMENT ON COLUMN sync_roles.matchable_withdrawn.schema_name IS 'As in withdrawn.';
COMMENT ON COLUMN sync_roles.matchable_withdrawn.object_name IS 'As in withdrawn.';
COMMENT ON COLUMN sync_roles.matchable_withdrawn.name_match IS 'As in withdrawn.';
COMMENT ON COLUMN sync_roles.matchable_withdrawn.column_name IS 'As in withdrawn.';
COMMENT ON COLUMN sync_roles.matchable_withdrawn.direct IS 'As in withdrawn.';
COMMENT ON COLUMN sync_roles.matchable_withdrawn.grantable IS 'As in withdrawn.';
COMMENT ON COLUMN sync_roles.matchable_withdrawn.expired IS 'As in withdrawn.';
COMMENT ON COLUMN sync_roles.matchable_withdrawn.transaction IS 'As in withdrawn, as a number.';

-- Driven from the few costly patterns, by the rows' indexes.
CREATE VIEW sync_roles.costly_holdings AS
SELECT g.id, g.role_name, g.privilege, g.object_type, coalesce(g.schema_name, '') AS schema_name
FROM sync_roles.costly_patterns AS c
JOIN sync_roles.desired_grants AS g
    ON g.object_name = c.object_name AND g.object_type = c.object_type AND coalesce(g.schema_name, '') = c.schema_name
    AND g.name_match = c.name_match
WHERE g.expires_at IS NULL OR g.expires_at > now()
UNION ALL
SELECT NULL, i.role_name, i.privilege, i.object_type, coalesce(i.schema_name, '')
FROM sync_roles.costly_patterns AS c
JOIN sync_roles.intermediate_roles AS i
    ON i.object_name = c.object_name AND i.object_type = c.object_type AND coalesce(i.schema_name, '') = c.schema_name
    AND i.name_match = c.name_match;

COMMENT ON VIEW sync_roles.costly_holdings IS 'Where rows in force, and intermediate roles, ask for something by a pattern that costs too much: what roles have there is not taken away because no row asks for it.';
COMMENT ON COLUMN sync_roles.costly_holdings.id IS 'desired_grants.id; NULL for an intermediate role.';
COMMENT ON COLUMN sync_roles.costly_holdings.role_name IS 'The role.';
COMMENT ON COLUMN sync_roles.costly_holdings.privilege IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.costly_holdings.object_type IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.costly_holdings.schema_name IS 'As in desired_grants; empty instead of NULL.';

CREATE INDEX desired_grants_pattern_name ON sync_roles.desired_grants (object_name) WHERE name_match <> 'exact';

-- Triggers. -------------------------------------------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION sync_roles.withdraw_old() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO sync_roles.withdrawn (grant_id, role_name, privilege, object_type, schema_name, object_name, name_match, column_name,
        direct, grantable, expires_at, expired, transaction, withdrawn_by)
    SELECT o.id, o.role_name, o.privilege, o.object_type, o.schema_name, o.object_name, o.name_match, o.column_name, o.direct,
        o.grantable, o.expires_at, coalesce(o.expires_at <= now() AND s.grant_id IS NULL, false),
        -- The daemon deletes what has expired; whoever made it expire took it away.
        CASE WHEN o.expires_at <= now() THEN coalesce(s.transaction, pg_current_xact_id()) ELSE pg_current_xact_id() END,
        CASE WHEN o.expires_at <= now() THEN coalesce(s.shortened_by, session_user) ELSE session_user END
    FROM old_rows AS o
    LEFT JOIN sync_roles.shortened_grants AS s ON s.grant_id = o.id;
    DELETE FROM sync_roles.shortened_grants AS s USING old_rows AS o WHERE s.grant_id = o.id;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION sync_roles.withdraw_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO sync_roles.withdrawn (grant_id, role_name, privilege, object_type, schema_name, object_name, name_match, column_name,
        direct, grantable, expires_at, expired, transaction, withdrawn_by)
    SELECT o.id, o.role_name, o.privilege, o.object_type, o.schema_name, o.object_name, o.name_match, o.column_name, o.direct,
        o.grantable, o.expires_at, coalesce(o.expires_at <= now() AND s.grant_id IS NULL, false),
        CASE WHEN o.expires_at <= now() THEN coalesce(s.transaction, pg_current_xact_id()) ELSE pg_current_xact_id() END,
        CASE WHEN o.expires_at <= now() THEN coalesce(s.shortened_by, session_user) ELSE session_user END
    FROM old_rows AS o
    LEFT JOIN new_rows AS n USING (id)
    LEFT JOIN sync_roles.shortened_grants AS s ON s.grant_id = o.id
    WHERE (o.role_name, o.privilege, o.object_type, o.schema_name, o.object_name, o.name_match, o.column_name, o.direct, o.grantable)
        IS DISTINCT FROM (n.role_name, n.privilege, n.object_type, n.schema_name, n.object_name, n.name_match, n.column_name, n.direct,
            n.grantable);

    -- What lasts again as long as it did is shortened no more.
    DELETE FROM sync_roles.shortened_grants AS s
    USING new_rows AS n
    WHERE s.grant_id = n.id AND coalesce(n.expires_at, 'infinity') >= s.until;
    INSERT INTO sync_roles.shortened_grants AS s (grant_id, until)
    SELECT n.id, coalesce(o.expires_at, 'infinity')
    FROM old_rows AS o
    JOIN new_rows AS n USING (id)
    WHERE n.expires_at < coalesce(o.expires_at, 'infinity') AND coalesce(o.expires_at, 'infinity') > now()
    ON CONFLICT (grant_id) DO UPDATE
    SET transaction = excluded.transaction, shortened_by = excluded.shortened_by, until = greatest(s.until, excluded.until);
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION sync_roles.withdraw_all() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO sync_roles.withdrawn (grant_id, role_name, privilege, object_type, schema_name, object_name, name_match, column_name,
        direct, grantable, expires_at, expired)
    SELECT o.id, o.role_name, o.privilege, o.object_type, o.schema_name, o.object_name, o.name_match, o.column_name, o.direct,
        o.grantable, o.expires_at, coalesce(o.expires_at <= now() AND s.grant_id IS NULL, false)
    FROM sync_roles.desired_grants AS o
    LEFT JOIN sync_roles.shortened_grants AS s ON s.grant_id = o.id;
    DELETE FROM sync_roles.shortened_grants;
    RETURN NULL;
END
$$;

-- A row that has expired before it is there gives nothing, and takes away what it names: that is no expiry.
CREATE OR REPLACE FUNCTION sync_roles.enqueue_new() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_TABLE_NAME = 'desired_grants' THEN
        INSERT INTO sync_roles.shortened_grants (grant_id, until)
        SELECT n.id, 'infinity' FROM new_rows AS n WHERE n.expires_at <= now()
        ON CONFLICT DO NOTHING;
    END IF;
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

-- As the statement-level triggers do, row by row.
CREATE OR REPLACE FUNCTION sync_roles.enqueue_replicated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND TG_TABLE_NAME = 'desired_grants' THEN
        INSERT INTO sync_roles.withdrawn (grant_id, role_name, privilege, object_type, schema_name, object_name, name_match, column_name,
            direct, grantable, expires_at)
        VALUES (OLD.id, OLD.role_name, OLD.privilege, OLD.object_type, OLD.schema_name, OLD.object_name, OLD.name_match, OLD.column_name,
            OLD.direct, OLD.grantable, OLD.expires_at);
    END IF;
    IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'desired_grants' THEN
        IF NEW.expires_at < coalesce(OLD.expires_at, 'infinity') AND coalesce(OLD.expires_at, 'infinity') > now() THEN
            INSERT INTO sync_roles.shortened_grants AS s (grant_id, until)
            VALUES (NEW.id, coalesce(OLD.expires_at, 'infinity'))
            ON CONFLICT (grant_id) DO UPDATE SET transaction = excluded.transaction, until = greatest(s.until, excluded.until);
        END IF;
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

-- Status. ---------------------------------------------------------------------------------------------------------------------------------

-- As it was, but for patterns that cost too much: whoever reads it waits for none.
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
    CASE
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
    END AS reason
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
            END AS direct,
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

UPDATE sync_roles.installation SET schema_version = 9;
