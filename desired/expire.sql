-- Deletes desired grants that have expired, and returns their roles. A row that another session has locked stays for now, and is withdrawn
-- all the same: it gives nothing any more. It is returned with who holds it, where that is known: a lock shared by several does not tell.
-- $1 bigint: of so many roles at most
-- $2 text[]: of these roles; NULL: of all but those that wait for another try
-- $3 bigint: of further roles as long as those before have fewer rows; not where $2 names them
WITH due AS MATERIALIZED (
    SELECT r.role_name
    FROM (
        SELECT g.role_name, sum(count(*)) OVER (ORDER BY g.role_name) - count(*) AS rows_before
        FROM sync_roles.desired_grants AS g
        WHERE g.expires_at <= now()
            AND CASE
                WHEN $2::text[] IS NULL THEN NOT EXISTS (
                    SELECT FROM sync_roles.retries AS t WHERE t.role_name = g.role_name AND t.next_retry_at > now()
                )
                ELSE g.role_name = ANY ($2)
            END
        GROUP BY g.role_name
    ) AS r
    WHERE $2::text[] IS NOT NULL OR r.rows_before < $3
    ORDER BY r.role_name
    LIMIT $1
),
free AS MATERIALIZED (
    SELECT g.id
    FROM sync_roles.desired_grants AS g
    JOIN due AS d USING (role_name)
    WHERE g.expires_at <= now()
    FOR UPDATE OF g SKIP LOCKED
),
deleted AS (
    DELETE FROM sync_roles.desired_grants AS g
    USING free AS f
    WHERE g.id = f.id
    RETURNING g.role_name
),
kept AS MATERIALIZED (
    SELECT g.*, g.xmax AS locker
    FROM sync_roles.desired_grants AS g
    JOIN due AS d USING (role_name)
    WHERE g.expires_at <= now() AND g.id NOT IN (SELECT f.id FROM free AS f)
),
ended AS (
    INSERT INTO sync_roles.withdrawn (grant_id, role_name, privilege, object_type, schema_name, object_name, name_match, column_name,
        direct, grantable, expires_at, expired, transaction, withdrawn_by)
    SELECT k.id, k.role_name, k.privilege, k.object_type, k.schema_name, k.object_name, k.name_match, k.column_name, k.direct,
        k.grantable, k.expires_at, s.grant_id IS NULL, coalesce(s.transaction, pg_current_xact_id()), coalesce(s.shortened_by, session_user)
    FROM kept AS k
    LEFT JOIN sync_roles.shortened_grants AS s ON s.grant_id = k.id
    WHERE NOT EXISTS (
        SELECT
        FROM sync_roles.withdrawn AS w
        WHERE w.role_name = k.role_name AND w.grant_id = k.id AND w.expires_at = k.expires_at
    )
)
SELECT DISTINCT d.role_name, 0::bigint AS grant_id, '' AS holder
FROM deleted AS d
UNION ALL
SELECT k.role_name, k.id, coalesce((
        SELECT format('process %s (%s)', l.pid, a.usename)
        FROM pg_catalog.pg_locks AS l
        LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
        WHERE l.locktype = 'transactionid' AND l.transactionid = k.locker AND l.granted
        LIMIT 1
    ), '')
FROM kept AS k
ORDER BY 1, 2;
