-- What waits for a pass, in the queue and for another try; and the violations that the last look found.
SELECT
    count(*) AS pending,
    coalesce(greatest(extract(epoch FROM clock_timestamp() - min(p.queued_at)), 0), 0)::double precision AS pending_oldest,
    (SELECT count(*) FROM sync_roles.retries) AS retries,
    (SELECT count(*) FROM sync_roles.violation_history AS v WHERE v.until IS NULL) AS violations
FROM sync_roles.pending AS p;
