-- Rows of the audit that are older than they are kept, at most so many. What still says how a managed role is stays.
-- $1 interval
-- $2 bigint
SELECT o.id
FROM sync_roles.audit AS o
WHERE o.at < now() - $1::interval
    AND (
        o.role_name IS NULL
        OR EXISTS (SELECT FROM sync_roles.audit AS n WHERE n.role_name = o.role_name AND n.id > o.id)
        OR NOT sync_roles.is_managed(o.role_name)
            AND NOT EXISTS (SELECT FROM sync_roles.intermediate_roles AS i WHERE i.role_name = o.role_name)
    )
ORDER BY o.id
LIMIT $2
