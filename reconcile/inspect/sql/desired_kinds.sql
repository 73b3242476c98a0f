-- What kinds of things the rows of a batch with these names ask for: privileges on objects of a type, memberships or ownerships.
-- $1 text[]: names of roles, intermediate roles among them
-- $2 text[]: names or patterns
SELECT DISTINCT CASE
    WHEN g.privilege = 'OWNER' THEN 'OWNER'
    WHEN g.object_type = 'role' THEN 'MEMBER'
    ELSE g.object_type
END AS kind
FROM sync_roles.desired_holdings AS g
WHERE g.role_name = ANY ($1) AND g.object_name = ANY ($2);
