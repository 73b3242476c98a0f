-- The names that are taken: by roles, and by rows for roles that are to come.
SELECT r.rolname::text AS name FROM pg_catalog.pg_roles AS r
UNION
SELECT d.role_name FROM sync_roles.desired_roles AS d
UNION
SELECT g.role_name FROM sync_roles.desired_grants AS g
UNION
SELECT g.object_name FROM sync_roles.desired_grants AS g WHERE g.object_type = 'role';
