-- Of what kinds rows of a batch are gone, as desired_kinds.sql has them, and whether any of these gave a grant option.
-- $1 text[]: names of roles
SELECT
    CASE
        WHEN w.privilege = 'OWNER' THEN 'OWNER'
        WHEN w.object_type = 'role' THEN 'MEMBER'
        ELSE w.object_type
    END AS kind,
    bool_or(w.grantable) AS grantable
FROM sync_roles.withdrawn AS w
WHERE w.role_name = ANY ($1)
GROUP BY 1;
