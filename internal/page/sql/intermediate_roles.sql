-- What intermediate roles hold.
-- $1 text[]: their names
SELECT i.role_name, i.selector FROM sync_roles.intermediate_roles AS i WHERE i.role_name = ANY ($1::text[]);
