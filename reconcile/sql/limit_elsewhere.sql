-- What rows that are gone will take away from other roles, and which belongs together with it: what is still in the queue, or failed and is tried
-- again, and what is held already and went in the same transactions. So no splitting of a mass deletion into passes makes it small.
-- $1 text[]: the roles of the pass, but for those that are held already
WITH pass AS MATERIALIZED (
    SELECT DISTINCT r.role_name
    FROM unnest($1::text[]) AS r (role_name)
),
elsewhere AS MATERIALIZED (
    SELECT w.role_name, w.object_type, w.object_name, w.privilege, w.schema_name, w.name_match, w.column_name
    FROM sync_roles.withdrawn AS w
    WHERE NOT w.expired AND NOT EXISTS (SELECT FROM pass AS p WHERE p.role_name = w.role_name)
        AND (
            w.role_name IN (SELECT p.role_name FROM sync_roles.pending AS p WHERE p.role_name IS NOT NULL)
            OR w.role_name IN (SELECT t.role_name FROM sync_roles.retries AS t)
            OR w.role_name IN (SELECT h.role_name FROM sync_roles.held AS h)
                AND w.transaction IN (SELECT o.transaction FROM sync_roles.withdrawn AS o JOIN pass AS p USING (role_name))
        )
)
SELECT coalesce(sum(CASE WHEN e.privilege = 'ALL' THEN cardinality(sync_roles.privileges_of(e.object_type)) ELSE 1 END), 0)
FROM elsewhere AS e
-- What was put back is not taken away.
WHERE NOT EXISTS (
    SELECT
    FROM sync_roles.desired_grants AS g
    WHERE g.role_name = e.role_name AND g.object_type = e.object_type AND g.object_name = e.object_name AND g.privilege = e.privilege
        AND coalesce(g.schema_name, '') = coalesce(e.schema_name, '') AND g.name_match = e.name_match
        AND coalesce(g.column_name, '') = coalesce(e.column_name, '')
);
