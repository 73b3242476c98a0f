-- Roles that are suspended or retired.

ALTER TABLE sync_roles.desired_roles
    ADD COLUMN state text COLLATE "C" NOT NULL DEFAULT 'active',
    ADD COLUMN reassign_to text COLLATE "C";

COMMENT ON COLUMN sync_roles.desired_roles.state IS
    'active; suspended: without LOGIN, and its sessions ended, while all else stays; retired: all that it has is taken away, what it owns '
    'goes to reassign_to, and it is dropped. The row of a retired role stays, so that the role does not come back.';
COMMENT ON COLUMN sync_roles.desired_roles.reassign_to IS
    'Who gets what a retired role owns. NULL: the role of --fallback-owner, or the daemon''s own.';

-- Few, and each rescan asks for them.
CREATE INDEX desired_roles_state ON sync_roles.desired_roles (role_name) WHERE state <> 'active';

-- A constraint, as triggers do not fire in a restore; it raises by itself, to say what is allowed.
CREATE FUNCTION sync_roles.check_state(state text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF state = ANY ('{active,suspended,retired}') THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'check_violation', SCHEMA = 'sync_roles', TABLE = 'desired_roles', COLUMN = 'state',
        MESSAGE = format('state %s is unknown: allowed are active, suspended, retired', quote_literal(state));
END
$$;

COMMENT ON FUNCTION sync_roles.check_state(text) IS 'True for a state of desired_roles; an error that says what is allowed for any other.';

ALTER TABLE sync_roles.desired_roles
    ADD CONSTRAINT desired_roles_state_known CHECK (state = 'active' OR sync_roles.check_state(state));

CREATE FUNCTION sync_roles.protected_role(role_name text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN $1 = 'public' THEN 'is PUBLIC'
        WHEN r.rolsuper THEN 'is a superuser'
        WHEN $1 = 'none' OR starts_with($1, 'pg_') OR r.oid < 16384 THEN 'is PostgreSQL''s own'
        WHEN starts_with($1, '_pgsr_') THEN 'is made by pg-sync-roles'
        WHEN r.oid = n.nspowner OR $1 = current_user THEN 'runs pg-sync-roles'
        WHEN sync_roles.is_provider_role($1) THEN 'belongs to the managed service'
    END
    FROM pg_catalog.pg_namespace AS n
    LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = $1
    WHERE n.nspname = 'sync_roles'
$$;

COMMENT ON FUNCTION sync_roles.protected_role(text) IS
    'Why a role is never suspended or retired, nor given what another owned; NULL: it may be.';

CREATE FUNCTION sync_roles.desired_roles_validate_state() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    wrong text;
BEGIN
    SELECT p.problem INTO wrong
    FROM new_rows AS n
    -- Called for the few rows that say anything about it.
    CROSS JOIN LATERAL (
        SELECT CASE WHEN n.state <> 'active' THEN sync_roles.protected_role(n.role_name) END AS own,
            CASE WHEN n.reassign_to IS NOT NULL THEN sync_roles.protected_role(n.reassign_to) END AS heir
    ) AS w
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN w.own IS NOT NULL THEN
                format('state %s is not allowed for role %s, which %s', quote_literal(n.state), quote_literal(n.role_name), w.own)
            WHEN n.reassign_to IS NULL THEN NULL
            WHEN n.reassign_to = n.role_name THEN
                format('reassign_to %s is the role itself: name the role that gets what it owns', quote_literal(n.reassign_to))
            WHEN w.heir IS NOT NULL AND w.heir <> 'runs pg-sync-roles' THEN
                format('reassign_to %s is not allowed: it %s', quote_literal(n.reassign_to), w.heir)
            -- When the role has gone, so may the other have.
            WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = n.reassign_to)
                AND (n.state <> 'retired' OR EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = n.role_name)) THEN
                format('reassign_to %s is no role that exists', quote_literal(n.reassign_to))
            WHEN n.state = 'retired' AND EXISTS (
                SELECT FROM sync_roles.desired_roles AS d WHERE d.role_name = n.reassign_to AND d.state = 'retired'
            ) AND EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = n.role_name) THEN
                format('reassign_to %s is retired itself', quote_literal(n.reassign_to))
        END
    ) AS p (problem)
    WHERE p.problem IS NOT NULL
    LIMIT 1;
    IF NOT FOUND THEN
        SELECT format('state ''retired'' is not allowed for role %s yet: it gets what retired role %s owns', quote_literal(n.role_name),
            quote_literal(d.role_name)) INTO wrong
        FROM new_rows AS n
        JOIN sync_roles.desired_roles AS d ON d.state = 'retired' AND d.reassign_to = n.role_name
        JOIN pg_catalog.pg_roles AS r ON r.rolname = d.role_name
        WHERE n.state = 'retired'
        LIMIT 1;
    END IF;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = wrong, SCHEMA = 'sync_roles', TABLE = 'desired_roles',
            COLUMN = split_part(wrong, ' ', 1);
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION sync_roles.desired_roles_validate_state() IS 'Trigger: refuses states that can never be obeyed.';
REVOKE EXECUTE ON FUNCTION sync_roles.desired_roles_validate_state() FROM PUBLIC;

CREATE TRIGGER validate_insert_state AFTER INSERT ON sync_roles.desired_roles
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.desired_roles_validate_state();
CREATE TRIGGER validate_update_state AFTER UPDATE ON sync_roles.desired_roles
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.desired_roles_validate_state();

CREATE TABLE sync_roles.suspended_roles (
    role_oid     oid PRIMARY KEY,
    role_name    text COLLATE "C" NOT NULL,
    login        boolean NOT NULL DEFAULT false,
    released     boolean NOT NULL DEFAULT false,
    suspended_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE sync_roles.suspended_roles IS
    'What was decided about roles that are suspended or being retired. The row goes when the role is active again, or dropped.';
COMMENT ON COLUMN sync_roles.suspended_roles.role_oid IS 'The role.';
COMMENT ON COLUMN sync_roles.suspended_roles.role_name IS 'Its name then.';
COMMENT ON COLUMN sync_roles.suspended_roles.login IS
    'Whether LOGIN was taken because the role is suspended. When it is active again, it gets LOGIN back, unless '
    'desired_roles.login says otherwise.';
COMMENT ON COLUMN sync_roles.suspended_roles.released IS
    'All that a retired role had was within the limits of revokes, or approved: what is left of it, in later passes, is not judged again.';
COMMENT ON COLUMN sync_roles.suspended_roles.suspended_at IS 'When LOGIN was taken, or the first of what it had.';

CREATE OR REPLACE VIEW sync_roles.role_status AS
-- What an intermediate role cannot have, its members lack.
WITH lacking AS MATERIALIZED (
    SELECT u.rolname::text AS role_name, jsonb_agg(DISTINCT p.problem) AS problems
    FROM sync_roles.intermediate_roles AS i
    CROSS JOIN LATERAL jsonb_array_elements(i.problems) AS p (problem)
    JOIN sync_roles.memberships AS m ON m.role_oid = i.role_oid AND m.inherit_option
    JOIN pg_catalog.pg_roles AS u ON u.oid = m.member_oid
    WHERE i.problems IS NOT NULL
    GROUP BY 1
)
SELECT m.role_name,
    CASE
        WHEN p.since IS NOT NULL OR a.outcome IS NULL THEN 'pending'
        WHEN a.outcome IN ('applied', 'unchanged', 'waiting') AND (l.problems IS NOT NULL OR c.problems IS NOT NULL) THEN 'blocked'
        WHEN a.outcome IN ('applied', 'unchanged') THEN 'in_sync'
        ELSE a.outcome
    END AS status,
    a.outcome,
    a.cause,
    coalesce(a.problems, '[]') || coalesce(l.problems, '[]') || coalesce(c.problems, '[]') AS problems,
    a.error,
    a.at AS changed_at,
    coalesce(t.attempt, 0) AS attempts,
    t.next_retry_at,
    p.since AS pending_since,
    coalesce(s.sessions, 0) AS sessions,
    coalesce(d.state, 'active') AS state
FROM sync_roles.managed_roles AS m
LEFT JOIN LATERAL (
    SELECT a.outcome, a.cause, a.problems, a.error, a.at
    FROM sync_roles.audit AS a
    WHERE a.role_name = m.role_name
    ORDER BY a.id DESC
    LIMIT 1
) AS a ON true
LEFT JOIN sync_roles.retries AS t ON t.role_name = m.role_name
LEFT JOIN sync_roles.desired_roles AS d ON d.role_name = m.role_name
LEFT JOIN lacking AS l ON l.role_name = m.role_name
LEFT JOIN sync_roles.contested AS c ON c.role_name = m.role_name
LEFT JOIN (
    SELECT p.role_name, min(p.queued_at) AS since
    FROM sync_roles.pending AS p
    WHERE p.role_name IS NOT NULL
    GROUP BY p.role_name
) AS one ON one.role_name = m.role_name
-- Grouped by what it is joined by: for a query that does not ask for it, PostgreSQL leaves it out.
LEFT JOIN (
    SELECT s.role_name, count(*)::integer AS sessions
    FROM sync_roles.stale_sessions AS s
    WHERE s.certain
    GROUP BY s.role_name
) AS s ON s.role_name = m.role_name
CROSS JOIN LATERAL (
    SELECT least(one.since, (SELECT min(p.queued_at) FROM sync_roles.pending AS p WHERE p.role_name IS NULL)) AS since
) AS p;

COMMENT ON COLUMN sync_roles.role_status.state IS
    'As in desired_roles. What is left of a retired role, and in which database, is among its problems.';

UPDATE sync_roles.installation SET schema_version = 24;
