-- How many rows roles have, and how many of theirs were deleted and wait for a pass; in the order of the roles.
-- $1 text[]: names of roles
-- $2 bigint: no more than so many of each are counted
SELECT (SELECT count(*) FROM (SELECT FROM sync_roles.desired_grants AS g WHERE g.role_name = n.role_name LIMIT $2) AS g)
    + (SELECT count(*) FROM (SELECT FROM sync_roles.withdrawn AS w WHERE w.role_name = n.role_name LIMIT $2) AS w)
FROM unnest($1::text[]) WITH ORDINALITY AS n (role_name, place)
ORDER BY n.place;
