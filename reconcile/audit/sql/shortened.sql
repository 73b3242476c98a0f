-- Remembers of rows that give what deleted rows gave, and end earlier, that they shorten it: when they expire, that counts as the deletion.
-- Otherwise whoever deletes rows and inserts them with an end would get past the limit.
-- LATERAL with OFFSET 0 is a search by index for each row.
-- $1 bigint[]: withdrawn.id, of rows that a pass has dealt with
INSERT INTO sync_roles.shortened_grants AS s (grant_id, until, transaction, shortened_by)
WITH gone AS MATERIALIZED (
    SELECT w.*, coalesce(w.expires_at, 'infinity') AS until,
        sync_roles.own_name(w.object_type, w.object_name) AS own_name
    FROM sync_roles.withdrawn AS w
    WHERE w.id = ANY ($1) AND NOT w.expired
),
matches AS (
    SELECT w.id AS withdrawn_id, g.id AS grant_id
    FROM gone AS w
    CROSS JOIN LATERAL (
        SELECT g.id
        FROM sync_roles.desired_grants AS g
        WHERE g.role_name = w.role_name AND g.object_type = w.object_type AND g.object_name = w.own_name AND g.name_match = 'exact'
        OFFSET 0
    ) AS g
    WHERE w.name_match = 'exact'
    UNION ALL
    -- Signatures: in collation C, a parenthesis follows the name at once.
    SELECT w.id, g.id
    FROM gone AS w
    CROSS JOIN LATERAL (
        SELECT g.id
        FROM sync_roles.desired_grants AS g
        WHERE g.role_name = w.role_name AND g.object_type = 'routine' AND g.object_name > w.own_name || '('
            AND g.object_name < w.own_name || ')'
            AND g.name_match = 'exact'
        OFFSET 0
    ) AS g
    WHERE w.name_match = 'exact' AND w.object_type = 'routine'
    UNION ALL
    SELECT w.id, g.id
    FROM gone AS w
    CROSS JOIN LATERAL (
        SELECT g.id
        FROM sync_roles.matchable_grants AS g
        WHERE g.role_name = w.role_name AND g.object_type = w.object_type AND g.name_match <> 'exact'
            AND (w.name_match <> 'exact' OR sync_roles.name_matches(w.object_name, g.object_name, g.compared_as))
        OFFSET 0
    ) AS g
    UNION ALL
    SELECT w.id, g.id
    FROM gone AS w
    -- Only what it has is compared: beside it, the table's own pattern could be, before one that costs too much is left out.
    JOIN sync_roles.matchable_withdrawn AS m USING (id)
    CROSS JOIN LATERAL (
        SELECT g.id
        FROM sync_roles.desired_grants AS g
        WHERE g.role_name = m.role_name AND g.object_type = m.object_type AND g.name_match = 'exact'
            AND sync_roles.name_matches(g.object_name, m.object_name, m.compared_as)
        OFFSET 0
    ) AS g
    WHERE w.name_match <> 'exact'
)
SELECT DISTINCT ON (g.id) g.id, w.until, w.transaction, w.withdrawn_by
FROM matches AS m
JOIN gone AS w ON w.id = m.withdrawn_id
CROSS JOIN LATERAL (
    SELECT g.*
    FROM sync_roles.matchable_grants AS g
    WHERE g.id = m.grant_id
    OFFSET 0
) AS g
WHERE g.expires_at < w.until
    -- Of patterns for schemas, it is not compared which they match: too much counts, rather than too little.
    AND (coalesce(g.schema_name, '') = coalesce(w.schema_name, '') OR w.schema_match <> 'exact' OR NOT g.is_plain)
    AND coalesce(g.column_name, '') = coalesce(w.column_name, '')
    AND (g.privilege = w.privilege OR 'ALL' IN (g.privilege, w.privilege) AND g.privilege <> 'OWNER' AND w.privilege <> 'OWNER')
ORDER BY g.id, w.until DESC
ON CONFLICT (grant_id) DO UPDATE
SET until = greatest(s.until, excluded.until), transaction = excluded.transaction, shortened_by = excluded.shortened_by;
