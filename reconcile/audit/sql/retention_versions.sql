-- Deletes versions of rows that ended long ago.
-- $1 interval: how long they are kept
-- $2 integer: so many at most
DELETE FROM sync_roles.row_versions
WHERE id IN (
    SELECT v.id
    FROM sync_roles.row_versions AS v
    WHERE NOT upper_inf(v.valid) AND upper(v.valid) < now() - $1::interval
    ORDER BY upper(v.valid)
    LIMIT $2
);
