-- Deletes desired grants that have expired, and returns their roles.
-- $1 bigint: of so many roles at most
-- $2 text[]: of these roles; NULL: of all but those that wait for another try
WITH due AS (
    SELECT DISTINCT g.role_name
    FROM sync_roles.desired_grants AS g
    WHERE g.expires_at <= now()
        AND CASE
            WHEN $2::text[] IS NULL THEN NOT EXISTS (SELECT FROM sync_roles.retries AS t WHERE t.role_name = g.role_name AND t.next_retry_at > now())
            ELSE g.role_name = ANY ($2)
        END
    ORDER BY g.role_name
    LIMIT $1
),
deleted AS (
    DELETE FROM sync_roles.desired_grants AS g
    USING due AS d
    WHERE g.role_name = d.role_name AND g.expires_at <= now()
    RETURNING g.role_name
)
SELECT DISTINCT d.role_name
FROM deleted AS d
ORDER BY d.role_name;
