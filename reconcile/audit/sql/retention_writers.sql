-- Deletes the writers of rows without any version left. Without an index, the rows are read: only where enough is old.
-- $1 interval: how long it is kept
-- $2 integer: so many at most, and so many at least
DELETE FROM sync_roles.writing_transactions AS t
WHERE (SELECT count(*) FROM (SELECT FROM sync_roles.writing_transactions AS o WHERE o.at < now() - $1::interval LIMIT $2) AS o) = $2
    AND (t.transaction, t.began) IN (
        SELECT w.transaction, w.began
        FROM sync_roles.writing_transactions AS w
        WHERE w.at < now() - $1::interval
            AND w.transaction NOT IN (SELECT g.transaction FROM sync_roles.desired_grants AS g WHERE g.transaction IS NOT NULL)
        LIMIT $2
    );
