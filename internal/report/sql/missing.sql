-- The relations that the connected role may not read.
-- $1 text[]: names of relations of sync_roles
SELECT format('sync_roles.%I', n.name) AS name
FROM unnest($1::text[]) AS n (name)
WHERE NOT has_table_privilege(to_regclass(format('sync_roles.%I', n.name)), 'SELECT')
ORDER BY n.name COLLATE "C";
