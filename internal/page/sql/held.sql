-- What waits for a person to approve it.
-- $1 text: of this role; NULL: of all
-- $2 integer: how many roles
SELECT h.role_name, h.revokes, h.since, coalesce(h.changes[1:50], '{}') AS changes
FROM sync_roles.held AS h
WHERE $1::text IS NULL OR h.role_name = $1
ORDER BY h.since, h.role_name
LIMIT $2;
