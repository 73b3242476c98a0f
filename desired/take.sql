-- $1 integer: how many roles at most
WITH oldest AS (
    SELECT p.role_name, p.id
    FROM sync_roles.pending AS p
    WHERE p.role_name IS NOT NULL
    ORDER BY p.id
    LIMIT 20 * $1::integer
),
roles AS (
    SELECT o.role_name
    FROM oldest AS o
    GROUP BY o.role_name
    ORDER BY min(o.id)
    LIMIT $1::integer
),
taken AS (
    DELETE FROM sync_roles.pending AS p
    USING roles AS r
    WHERE p.role_name = r.role_name
    RETURNING p.role_name, p.requested_by
)
SELECT t.role_name, array_agg(DISTINCT t.requested_by ORDER BY t.requested_by)
FROM taken AS t
GROUP BY t.role_name
ORDER BY t.role_name;
