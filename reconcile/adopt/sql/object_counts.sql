-- How many objects of each type each schema has, and which privileges the type has.
SELECT o.object_type, o.schema_name::text, count(*) AS objects, sync_roles.privileges_of(o.object_type) AS privileges
FROM sync_roles.objects AS o
WHERE o.object_type <> 'role'
GROUP BY 1, 2;
