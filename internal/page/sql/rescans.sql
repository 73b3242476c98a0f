-- The last rescans.
-- $1 boolean: only those that found drift
-- $2 integer: how many
SELECT r.id, r.at, r.roles, r.drifted, extract(epoch FROM r.duration)::double precision AS seconds, r.instance
FROM sync_roles.rescans AS r
WHERE NOT $1::boolean OR r.drifted > 0
ORDER BY r.id DESC
LIMIT $2;
