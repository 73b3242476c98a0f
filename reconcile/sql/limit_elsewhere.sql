-- What rows that are gone will take away from roles outside of a pass, and which belongs together with it: what is still in the queue,
-- and what is held already and went in the same transactions. So no splitting of a mass deletion into passes makes it small.
-- $1 text[]: the roles of the pass
SELECT coalesce(sum(CASE WHEN w.privilege = 'ALL' THEN cardinality(sync_roles.privileges_of(w.object_type)) ELSE 1 END), 0)
FROM sync_roles.withdrawn AS w
WHERE w.role_name <> ALL ($1)
    AND (
        EXISTS (SELECT FROM sync_roles.pending AS p WHERE p.role_name = w.role_name)
        OR EXISTS (SELECT FROM sync_roles.held AS h WHERE h.role_name = w.role_name)
            AND w.transaction IN (SELECT o.transaction FROM sync_roles.withdrawn AS o WHERE o.role_name = ANY ($1))
    )
    -- What was put back is not taken away.
    AND NOT EXISTS (
        SELECT
        FROM sync_roles.desired_grants AS g
        WHERE g.role_name = w.role_name AND g.object_type = w.object_type AND g.object_name = w.object_name AND g.privilege = w.privilege
            AND coalesce(g.schema_name, '') = coalesce(w.schema_name, '') AND g.name_match = w.name_match
            AND coalesce(g.column_name, '') = coalesce(w.column_name, '')
    );
