-- Deletes old rows of rescans.
-- $1 interval: how long they are kept
-- $2 integer: so many at most
DELETE FROM sync_roles.rescans
WHERE id IN (SELECT r.id FROM sync_roles.rescans AS r WHERE r.at < now() - $1::interval ORDER BY r.id LIMIT $2);
