-- Of what kinds rows of a batch are gone, as desired_kinds.sql has them.
-- $1 text[]: names of roles
SELECT DISTINCT CASE
    WHEN w.privilege = 'OWNER' THEN 'OWNER'
    WHEN w.object_type = 'role' THEN 'MEMBER'
    ELSE w.object_type
END AS kind
FROM sync_roles.withdrawn AS w
WHERE w.role_name = ANY ($1);
