-- Problems, once for each object and fix, with how many roles they concern: those that need a person first.
-- $1 integer: how many
SELECT p.problem ->> 'kind' AS kind, coalesce(p.problem ->> 'code', '') AS code, left(p.problem ->> 'reason', 2000) AS reason,
    coalesce(p.problem ->> 'fix', '') AS fix, left(coalesce(min(p.problem ->> 'object'), ''), 500) AS object,
    count(DISTINCT p.problem ->> 'object') AS objects,
    count(DISTINCT s.role_name) AS roles, (array_agg(DISTINCT s.role_name))[1:3] AS some
FROM sync_roles.role_status AS s
CROSS JOIN LATERAL jsonb_array_elements(s.problems) AS p (problem)
WHERE s.status <> 'in_sync'
GROUP BY 1, 2, 3, 4
ORDER BY array_position(ARRAY['held', 'failed', 'blocked', 'refused'], p.problem ->> 'kind') NULLS LAST, 7 DESC, 3, 4
LIMIT $1;
