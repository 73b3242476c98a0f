-- Sessions that still have what was taken: they are counted, and ended where a row asks for it.

ALTER TABLE sync_roles.desired_roles ADD COLUMN end_sessions boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN sync_roles.desired_roles.end_sessions IS
    'Whether sessions of the role that still have what was taken are ended: LOGIN, CONNECT on their database, or a membership that a row '
    'gave. Otherwise role_status.sessions counts them.';

-- Each pass and rescan asks whether there are any.
CREATE INDEX desired_roles_end_sessions ON sync_roles.desired_roles (role_name) WHERE end_sessions;

CREATE TABLE sync_roles.lost_memberships (
    member_oid oid NOT NULL,
    role_oid   oid NOT NULL,
    lost_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (member_oid, role_oid)
);

COMMENT ON TABLE sync_roles.lost_memberships IS
    'Internal. Memberships that passes ended while their member had sessions: one of before may have SET ROLE, and keep what it was given.';
COMMENT ON COLUMN sync_roles.lost_memberships.member_oid IS 'The former member.';
COMMENT ON COLUMN sync_roles.lost_memberships.role_oid IS 'The role of which it was a member.';
COMMENT ON COLUMN sync_roles.lost_memberships.lost_at IS
    'A moment just before the commit that ended the membership. What began later has a right to be there.';

CREATE VIEW sync_roles.stale_sessions AS
SELECT a.pid, a.datname::text AS database_name, r.oid AS role_oid, r.rolname::text AS role_name, a.backend_start AS began,
    w.lost, w.lost IN ('LOGIN', 'CONNECT') OR a.backend_start IS NOT NULL AS certain, a.backend_type IS NOT NULL AS visible
FROM pg_catalog.pg_stat_activity AS a
JOIN pg_catalog.pg_roles AS r ON r.oid = a.usesysid
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN NOT r.rolcanlogin THEN 'LOGIN'
        WHEN NOT has_database_privilege(r.oid, a.datid, 'CONNECT') THEN 'CONNECT'
        ELSE (
            SELECT 'MEMBER of role ' || g.rolname
            FROM sync_roles.lost_memberships AS l
            JOIN pg_catalog.pg_roles AS g ON g.oid = l.role_oid
            WHERE l.member_oid = r.oid AND (a.backend_start < l.lost_at OR a.backend_start IS NULL)
                AND NOT pg_has_role(l.member_oid, l.role_oid, CASE
                    WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET'
                    ELSE 'MEMBER'
                END)
            ORDER BY g.rolname
            LIMIT 1
        )
    END AS lost
) AS w
-- Workers of PostgreSQL's run as roles that need no LOGIN. Who may not see of what type a session is takes it for a client's.
WHERE w.lost IS NOT NULL AND NOT r.rolsuper AND coalesce(a.backend_type, 'client backend') IN ('client backend', 'walsender');

COMMENT ON VIEW sync_roles.stale_sessions IS
    'Sessions that would not be let in any more, or that may have kept a membership which was taken. What a session has done with SET ROLE '
    'is seen by nobody else.';
COMMENT ON COLUMN sync_roles.stale_sessions.pid IS 'Its process, as in pg_stat_activity.';
COMMENT ON COLUMN sync_roles.stale_sessions.database_name IS 'The database to which it is connected; NULL: it replicates the cluster.';
COMMENT ON COLUMN sync_roles.stale_sessions.role_oid IS 'The role as which it has logged in.';
COMMENT ON COLUMN sync_roles.stale_sessions.role_name IS 'The same by name.';
COMMENT ON COLUMN sync_roles.stale_sessions.began IS
    'When it began; NULL: the reader is neither a member of the role nor of pg_read_all_stats.';
COMMENT ON COLUMN sync_roles.stale_sessions.lost IS 'What was taken: LOGIN, CONNECT, or MEMBER of a role.';
COMMENT ON COLUMN sync_roles.stale_sessions.certain IS 'Whether that is known: a membership takes the time at which the session began.';
COMMENT ON COLUMN sync_roles.stale_sessions.visible IS 'Whether the reader may see that it is a client, and no worker of PostgreSQL''s.';

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
    coalesce(s.sessions, 0) AS sessions
FROM sync_roles.managed_roles AS m
LEFT JOIN LATERAL (
    SELECT a.outcome, a.cause, a.problems, a.error, a.at
    FROM sync_roles.audit AS a
    WHERE a.role_name = m.role_name
    ORDER BY a.id DESC
    LIMIT 1
) AS a ON true
LEFT JOIN sync_roles.retries AS t ON t.role_name = m.role_name
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

COMMENT ON COLUMN sync_roles.role_status.sessions IS
    'How many sessions still have what was taken from the role: see stale_sessions. Of memberships only as far as the reader may see when '
    'sessions began.';

UPDATE sync_roles.installation SET schema_version = 23;
