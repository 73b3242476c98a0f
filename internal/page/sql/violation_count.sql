-- How many privileges break rules, as the daemon last saw it.
SELECT count(*) AS violations, count(DISTINCT v.forbidden_id) AS rules FROM sync_roles.violation_history AS v WHERE v.until IS NULL;
