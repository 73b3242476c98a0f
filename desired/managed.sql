-- The names in the index, one step each: DISTINCT would read every row.
WITH RECURSIVE granted (role_name) AS (
    (SELECT g.role_name FROM sync_roles.desired_grants AS g ORDER BY g.role_name LIMIT 1)
    UNION ALL
    SELECT (SELECT g.role_name FROM sync_roles.desired_grants AS g WHERE g.role_name > n.role_name ORDER BY g.role_name LIMIT 1)
    FROM granted AS n
    WHERE n.role_name IS NOT NULL
)
SELECT n.role_name FROM granted AS n WHERE n.role_name IS NOT NULL
UNION
SELECT r.role_name FROM sync_roles.desired_roles AS r
UNION
SELECT w.role_name FROM sync_roles.withdrawn AS w
UNION
SELECT p.role_name FROM sync_roles.pending AS p WHERE p.role_name IS NOT NULL
ORDER BY 1;
