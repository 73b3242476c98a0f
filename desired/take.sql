-- Requests for the roles that have waited longest, and for no more of them than a pass does in a moment: for the first whatever it has, and
-- for others as long as that is few rows.
-- $1 integer: how many roles at most
-- $2 bigint: how many rows the roles may have together, but for the first
WITH RECURSIVE oldest AS (
    SELECT p.role_name, p.id, p.object_names
    FROM sync_roles.pending AS p
    WHERE p.role_name IS NOT NULL
    ORDER BY p.id
    LIMIT 20 * $1::integer
),
-- A request about names is about as many rows, more or less; one about everything, NULL here, about all of the role.
waiting AS (
    SELECT array_agg(r.role_name ORDER BY r.first) AS role_names, array_agg(r.names ORDER BY r.first) AS names
    FROM (
        SELECT o.role_name, min(o.id) AS first,
            CASE WHEN bool_and(o.object_names IS NOT NULL) THEN sum(cardinality(o.object_names)) END AS names
        FROM oldest AS o
        GROUP BY o.role_name
        ORDER BY min(o.id)
        LIMIT $1::integer
    ) AS r
),
-- One role after the other, so that no more is counted than is taken.
few AS (
    SELECT 1 AS roles, 0::bigint AS row_count
    UNION ALL
    SELECT f.roles + 1, c.row_count
    FROM few AS f
    CROSS JOIN waiting AS w
    CROSS JOIN LATERAL (
        SELECT f.row_count + coalesce(
            w.names[f.roles],
            (SELECT count(*) FROM (SELECT FROM sync_roles.desired_grants AS g WHERE g.role_name = w.role_names[f.roles] LIMIT $2) AS g)
            + (SELECT count(*) FROM (SELECT FROM sync_roles.withdrawn AS d WHERE d.role_name = w.role_names[f.roles] LIMIT $2) AS d)
        ) AS row_count
        OFFSET 0 -- the planner would count twice: for the condition too
    ) AS c
    WHERE f.roles < cardinality(w.role_names) AND c.row_count < $2
),
taken AS (
    DELETE FROM sync_roles.pending AS p
    USING (SELECT unnest(w.role_names[:(SELECT max(f.roles) FROM few AS f)]) AS role_name FROM waiting AS w) AS r
    WHERE p.role_name = r.role_name
    RETURNING p.role_name, p.requested_by, p.object_names
),
-- Where they are many, roles are inspected whole (inspect.Few), and to put the names together is in vain.
names AS (
    SELECT count(*) <= 1000 AS few
    FROM (SELECT DISTINCT n.object_name FROM taken AS t CROSS JOIN LATERAL unnest(t.object_names) AS n (object_name) LIMIT 1001) AS n
)
SELECT t.role_name, array_agg(DISTINCT t.requested_by ORDER BY t.requested_by) AS requested_by,
    -- A role that is not there, or was not in order, is inspected whole.
    CASE
        WHEN (SELECT n.few FROM names AS n) AND bool_and(t.object_names IS NOT NULL)
            AND EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = t.role_name COLLATE "C")
            AND (SELECT a.outcome FROM sync_roles.audit AS a WHERE a.role_name = t.role_name
                ORDER BY a.id DESC LIMIT 1) IN ('applied', 'unchanged')
            THEN array_agg(DISTINCT n.object_name) FILTER (WHERE n.object_name IS NOT NULL)
    END AS object_names
FROM taken AS t
LEFT JOIN LATERAL unnest(CASE WHEN (SELECT n.few FROM names AS n) THEN t.object_names END) AS n (object_name) ON true
GROUP BY t.role_name
ORDER BY t.role_name;
