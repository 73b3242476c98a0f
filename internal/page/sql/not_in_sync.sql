-- The roles that are not as desired: what needs a person first.
-- $1 integer: how many
SELECT s.role_name, s.status, s.state, s.changed_at, coalesce(left(s.problems -> 0 ->> 'reason', 500), left(s.error, 500), '') AS reason
FROM sync_roles.role_status AS s
WHERE s.status <> 'in_sync'
ORDER BY array_position(ARRAY['held', 'failed', 'blocked', 'refused', 'pending', 'waiting'], s.status), s.role_name
LIMIT $1;
