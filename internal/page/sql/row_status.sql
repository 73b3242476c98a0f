-- How rows are.
-- $1 text: the role
-- $2 bigint[]: their ids
SELECT g.id, g.status, coalesce(g.encoding, '') AS encoding, coalesce(g.via, '') AS via, coalesce(g.matches, 0) AS matches,
    left(coalesce(g.reason, ''), 1000) AS reason
FROM sync_roles.grant_status AS g
WHERE g.role_name = $1 AND g.id = ANY ($2::bigint[]);
