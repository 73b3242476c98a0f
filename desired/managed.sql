-- The managed roles.
SELECT m.role_name FROM sync_roles.managed_roles AS m ORDER BY 1;
