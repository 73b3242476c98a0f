-- How many roles rescans of the last day and of the last seven days found changed by others.
SELECT coalesce(sum(r.drifted) FILTER (WHERE r.at > now() - interval '1 day'), 0)::bigint AS day,
    coalesce(sum(r.drifted), 0)::bigint AS week
FROM sync_roles.rescans AS r
WHERE r.at > now() - interval '7 days';
