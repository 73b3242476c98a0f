-- Roles by name.
-- $1 text: after this name
-- $2 text: of this status; empty: of all
-- $3 text: with this in their name, in whatever case; empty: all
-- $4 integer: how many
SELECT s.role_name, s.status, s.state, s.changed_at, coalesce(left(s.problems -> 0 ->> 'reason', 500), left(s.error, 500), '') AS reason
FROM sync_roles.role_status AS s
WHERE s.role_name > $1 AND ($2 = '' OR s.status = $2) AND ($3 = '' OR strpos(lower(s.role_name), lower($3)) > 0)
ORDER BY s.role_name
LIMIT $4;
