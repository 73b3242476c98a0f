WITH everybody AS (
    DELETE FROM sync_roles.pending AS p
    WHERE p.role_name IS NULL
    RETURNING p.requested_by
),
expanded AS (
    INSERT INTO sync_roles.pending (role_name, requested_by)
    SELECT m.role_name, e.requested_by
    FROM (SELECT DISTINCT e.requested_by FROM everybody AS e) AS e
    CROSS JOIN (
        SELECT g.role_name FROM sync_roles.desired_grants AS g
        UNION
        SELECT r.role_name FROM sync_roles.desired_roles AS r
        UNION
        SELECT w.role_name FROM sync_roles.withdrawn AS w
    ) AS m
)
SELECT EXISTS (SELECT FROM everybody);
