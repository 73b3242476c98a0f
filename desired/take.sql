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
    RETURNING p.role_name, p.requested_by, p.object_names
)
SELECT t.role_name, array_agg(DISTINCT t.requested_by ORDER BY t.requested_by) AS requested_by,
    -- A role that is not there, or was not in order, is inspected whole.
    CASE
        WHEN bool_and(t.object_names IS NOT NULL)
            AND EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = t.role_name COLLATE "C")
            AND (SELECT a.outcome FROM sync_roles.audit AS a WHERE a.role_name = t.role_name
                ORDER BY a.id DESC LIMIT 1) IN ('applied', 'unchanged')
            THEN array_agg(DISTINCT n.object_name) FILTER (WHERE n.object_name IS NOT NULL)
    END AS object_names
FROM taken AS t
LEFT JOIN LATERAL unnest(t.object_names) AS n (object_name) ON true
GROUP BY t.role_name
ORDER BY t.role_name;
