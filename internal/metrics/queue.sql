-- What waits for a pass: in the queue, and for another try.
SELECT
    count(*) AS pending,
    coalesce(greatest(extract(epoch FROM clock_timestamp() - min(p.queued_at)), 0), 0)::double precision AS pending_oldest,
    (SELECT count(*) FROM sync_roles.retries) AS retries
FROM sync_roles.pending AS p;
