-- The reviews that the reader may decide or has opened.
-- $1 integer: how many
SELECT r.id, left(r.reason, 500) AS reason, r.opened_by, r.deadline, r.undecided, r.closed_at
FROM sync_roles.reviews AS r
ORDER BY r.closed_at IS NOT NULL, r.deadline, r.id
LIMIT $1;
