-- $1 text[]: names of roles
WITH taken AS (
    DELETE FROM sync_roles.pending AS p
    WHERE p.role_name = ANY ($1)
    RETURNING p.role_name, p.requested_by
)
SELECT t.role_name, array_agg(DISTINCT t.requested_by ORDER BY t.requested_by) AS requested_by, NULL::text[] AS object_names
FROM taken AS t
GROUP BY t.role_name
ORDER BY t.role_name;
