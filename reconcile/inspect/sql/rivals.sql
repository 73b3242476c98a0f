-- What was done for these roles in this database without a request, in the last rows of its audit. Nothing is read that another role
-- could have put here.
-- Statements are compared by regexes in the daemon's own database, so neither their number nor their length is left to this one. None
-- that matters is long.
-- $1 text[]: roles
SELECT a.role_name, s.sql AS statement
FROM (
    SELECT a.role_name, a.statements
    FROM sync_roles.audit AS a
    WHERE a.role_name = ANY ($1) AND a.at > now() - interval '1 day'
        AND a.cause IN ('startup', 'rescan', 'ddl', 'manual') AND a.requested_by = '{}'
    ORDER BY a.id DESC
    LIMIT 1000
) AS a
CROSS JOIN LATERAL unnest(a.statements) AS s (sql)
WHERE octet_length(s.sql) <= 1000
LIMIT 10000;
