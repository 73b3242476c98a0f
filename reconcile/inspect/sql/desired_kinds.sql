-- What kinds of things the rows of a batch ask for: privileges on objects of a type, memberships or ownerships.
-- $1 text[]: names of roles, intermediate roles among them
-- $2 text[]: only rows with these names or patterns
-- :whole boolean: all rows, whatever $2 is; a constant, so that the few are looked up by name
SELECT DISTINCT CASE
    WHEN g.privilege = 'OWNER' THEN 'OWNER'
    WHEN g.object_type = 'role' THEN 'MEMBER'
    ELSE g.object_type
END AS kind
FROM sync_roles.desired_holdings AS g
WHERE g.role_name = ANY ($1) AND (:whole OR g.object_name = ANY ($2::text[]));
