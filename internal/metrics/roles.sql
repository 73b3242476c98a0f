-- How many roles are how.
SELECT s.status, count(*) AS roles
FROM sync_roles.role_status AS s
GROUP BY s.status;
