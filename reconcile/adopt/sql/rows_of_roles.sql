-- The rows of roles, and which of them a group can take over: a row that says when it ends, how it is granted, that it may be passed on, or
-- who keeps it in a file, is about its own role. So is one with a value in a column that is not listed here.
-- $1 text[]: names of roles
-- $2 bigint: the highest id of a row that was there before
SELECT g.role_name, g.privilege, g.object_type, coalesce(g.schema_name, '') AS schema_name, g.object_name, g.name_match,
    coalesce(g.column_name, '') AS column_name, g.selector, g.id > $2 AS by_hand,
    g.privilege NOT IN ('MEMBER', 'OWNER') AND NOT g.grantable AND g.direct IS NULL AND g.expires_at IS NULL AND g.source IS NULL
        AND NOT EXISTS (
            SELECT
            FROM jsonb_each(to_jsonb(g) - '{id,role_name,privilege,object_type,schema_name,object_name,name_match,column_name,selector,note,
                created_by,created_at,updated_by,updated_at,transaction}'::text[]) AS e
            WHERE e.value NOT IN ('null', 'false', '[]', '"exact"')
        ) AS movable
FROM sync_roles.desired_grants AS g
WHERE g.role_name = ANY ($1)
ORDER BY g.role_name, g.selector;
