-- Deletes violations that were over long ago.
-- $1 interval: how long they are kept
-- $2 integer: so many at most
DELETE FROM sync_roles.violation_history
WHERE id IN (
    SELECT v.id
    FROM sync_roles.violation_history AS v
    WHERE v.until < now() - $1::interval
    ORDER BY v.until
    LIMIT $2
);
