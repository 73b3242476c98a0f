-- How many roles have each status.
SELECT s.status, count(*) AS roles FROM sync_roles.role_status AS s GROUP BY s.status;
