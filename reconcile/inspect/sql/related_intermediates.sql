-- The intermediate roles that rows of these roles use, or did before they were withdrawn, and those of which they are members.
-- $1 text[]: names of roles
-- $2 text[]: only those that rows with these names or patterns use; NULL: all
-- Nothing is joined in order: the planner would scan all rows for each intermediate role rather than sort (enable_sort is off).
WITH used AS MATERIALIZED (
    SELECT DISTINCT s.selector
    FROM (
        SELECT g.selector
        FROM sync_roles.desired_grants AS g
        WHERE g.role_name = ANY ($1) AND ($2::text[] IS NULL OR g.object_name = ANY ($2))
            AND EXISTS (SELECT FROM sync_roles.intermediate_roles)
        UNION ALL
        SELECT w.selector
        FROM sync_roles.withdrawn AS w
        WHERE w.role_name = ANY ($1)
    ) AS s
),
held AS MATERIALIZED (
    SELECT DISTINCT m.role_oid
    FROM pg_catalog.pg_roles AS r
    -- LATERAL with OFFSET 0: otherwise the planner may read all members of all intermediate roles first.
    CROSS JOIN LATERAL (
        SELECT m.role_oid
        FROM sync_roles.memberships AS m
        WHERE m.member_oid = r.oid
        OFFSET 0
    ) AS m
    WHERE $2::text[] IS NULL AND r.rolname = ANY ($1::name[])
),
related AS MATERIALIZED (
    SELECT i.role_name
    FROM used AS u
    JOIN sync_roles.intermediate_roles AS i USING (selector)
    UNION
    SELECT i.role_name
    FROM held AS h
    JOIN sync_roles.intermediate_roles AS i USING (role_oid)
)
SELECT r.role_name
FROM related AS r
ORDER BY 1;
