-- As desired_kinds.sql, for all rows of a batch. They may be very many, and are not read: an index says which types of objects each role's
-- are about. Of a type of which it only owns objects, nothing else is found.
-- $1 text[]: names of roles, intermediate roles among them
WITH RECURSIVE types AS (
    SELECT n.role_name,
        (SELECT min(g.object_type) FROM sync_roles.desired_grants AS g WHERE g.role_name = n.role_name) AS object_type
    FROM unnest($1::text[]) AS n (role_name)
    UNION ALL
    SELECT t.role_name,
        (SELECT min(g.object_type) FROM sync_roles.desired_grants AS g WHERE g.role_name = t.role_name AND g.object_type > t.object_type)
    FROM types AS t
    WHERE t.object_type IS NOT NULL
)
SELECT DISTINCT CASE WHEN t.object_type = 'role' THEN 'MEMBER' ELSE t.object_type END AS kind
FROM types AS t
WHERE t.object_type IS NOT NULL
UNION
SELECT 'OWNER'
WHERE EXISTS (SELECT FROM sync_roles.desired_grants AS g WHERE g.role_name = ANY ($1) AND g.privilege = 'OWNER')
UNION
SELECT i.object_type
FROM sync_roles.intermediate_roles AS i
WHERE i.role_name = ANY ($1);
