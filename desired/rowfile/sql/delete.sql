-- $1 jsonb: the ids
DELETE FROM sync_roles.desired_grants AS g
USING jsonb_array_elements($1::jsonb) AS d (id)
WHERE g.id = d.id::bigint;
