-- The names among these that neither a role nor a record has.
-- $1 text[]: names
SELECT n.name
FROM unnest($1::text[]) AS n (name)
WHERE n.name <> 'public' AND n.name NOT IN (SELECT r.rolname::text FROM pg_catalog.pg_roles AS r)
    AND NOT EXISTS (SELECT FROM sync_roles.access_periods AS p WHERE p.role_name = n.name)
    AND NOT EXISTS (SELECT FROM sync_roles.desired_history AS d WHERE d.role_name = n.name)
ORDER BY n.name COLLATE "C";
