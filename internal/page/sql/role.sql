-- One role.
-- $1 text: its name
SELECT s.role_name, s.status, s.state, coalesce(s.outcome, '') AS outcome, coalesce(s.cause, '') AS cause, s.problems,
    coalesce(s.error, '') AS error,
    s.changed_at, s.attempts, s.next_retry_at, s.pending_since, s.sessions
FROM sync_roles.role_status AS s
WHERE s.role_name = $1;
