-- Remembers of rows that give what deleted rows gave, and end earlier, that they shorten it: when they expire, that counts as the deletion.
-- Otherwise whoever deletes rows and inserts them with an end would get past the limit.
-- $1 bigint[]: withdrawn.id, of rows that a pass has dealt with
INSERT INTO sync_roles.shortened_grants AS s (grant_id, until, transaction, shortened_by)
SELECT DISTINCT ON (g.id) g.id, coalesce(w.expires_at, 'infinity'), w.transaction, w.withdrawn_by
FROM sync_roles.withdrawn AS w
JOIN sync_roles.matchable_grants AS g
    ON g.role_name = w.role_name AND g.object_type = w.object_type AND coalesce(g.schema_name, '') = coalesce(w.schema_name, '')
    AND coalesce(g.column_name, '') = coalesce(w.column_name, '')
    AND (g.privilege = w.privilege OR 'ALL' IN (g.privilege, w.privilege) AND g.privilege <> 'OWNER' AND w.privilege <> 'OWNER')
WHERE w.id = ANY ($1) AND NOT w.expired AND g.expires_at < coalesce(w.expires_at, 'infinity')
    AND CASE
        WHEN w.name_match <> 'exact' THEN g.name_match <> 'exact' OR EXISTS (
            SELECT
            FROM sync_roles.matchable_withdrawn AS m
            WHERE m.id = w.id AND sync_roles.name_matches(g.object_name, m.object_name, m.name_match)
        )
        WHEN g.name_match <> 'exact' THEN sync_roles.name_matches(w.object_name, g.object_name, g.name_match)
        WHEN g.object_type = 'routine' THEN split_part(g.object_name, '(', 1) = split_part(w.object_name, '(', 1)
        ELSE g.object_name = w.object_name
    END
ORDER BY g.id, coalesce(w.expires_at, 'infinity') DESC
ON CONFLICT (grant_id) DO UPDATE
SET until = greatest(s.until, excluded.until), transaction = excluded.transaction, shortened_by = excluded.shortened_by;
