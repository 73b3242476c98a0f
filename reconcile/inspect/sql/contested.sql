-- What was run again and again, each time without a request, so that something must have changed it back. What is left alone for three
-- times as long as
-- it took before is over.
-- $1 boolean: something was done; otherwise this is only asked while roles are contested
WITH recent AS MATERIALIZED (
    SELECT a.at, a.role_name, a.statements
    FROM sync_roles.audit AS a
    WHERE ($1 OR EXISTS (SELECT FROM sync_roles.contested))
        AND a.id > (SELECT max(l.id) - 5000 FROM sync_roles.audit AS l)
        AND a.at > now() - interval '1 day'
        AND a.cause IN ('startup', 'rescan', 'ddl', 'manual') AND a.requested_by = '{}' AND a.statements <> '{}'
        AND NOT sync_roles.is_ours(a.role_name)
),
runs AS (
    SELECT r.role_name, s.sql, count(*) AS times, min(r.at) AS first, max(r.at) AS last
    FROM recent AS r
    CROSS JOIN LATERAL unnest(r.statements) AS s (sql)
    WHERE sync_roles.is_shared_change(s.sql)
    GROUP BY r.role_name, s.sql
    HAVING count(*) >= 3
)
SELECT DISTINCT ON (u.role_name) u.role_name, u.sql AS statement
FROM runs AS u
WHERE now() - u.last < 3 * (u.last - u.first) / (u.times - 1)
ORDER BY u.role_name, u.last DESC, u.sql;
