-- What could not be done of the rows in the reader's scope.
-- $1 integer: how many
SELECT p.role_name, coalesce(p.grant_id, 0) AS grant_id, p.kind, left(p.reason, 2000) AS reason, coalesce(p.fix, '') AS fix
FROM sync_roles.my_problems AS p
ORDER BY p.role_name, p.grant_id
LIMIT $1;
