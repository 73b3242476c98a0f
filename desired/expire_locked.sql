-- What expire.sql does where another session has locked the whole table against writing: the rows stay, and are withdrawn.
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
kept AS MATERIALIZED (
    SELECT g.*
    FROM sync_roles.desired_grants AS g
    JOIN due AS d USING (role_name)
    WHERE g.expires_at <= now()
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
SELECT k.role_name, k.id, coalesce((
        SELECT string_agg(DISTINCT format('process %s (%s)', l.pid, a.usename), ', ')
        FROM pg_catalog.pg_locks AS l
        JOIN pg_catalog.pg_database AS b ON b.oid = l.database AND b.datname = current_database()
        LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
        WHERE l.locktype = 'relation' AND l.relation = 'sync_roles.desired_grants'::regclass AND l.pid <> pg_backend_pid()
            AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
    ), '')
FROM kept AS k
ORDER BY 1, 2;
