-- What these roles hold through intermediate roles of the Python library.
-- $1 text[]: names of roles
SELECT r.rolname::text AS role_name, p.class_oid, p.object_oid, p.privilege
FROM pg_catalog.pg_roles AS r
CROSS JOIN LATERAL (
    SELECT m.role_oid
    FROM sync_roles.memberships AS m
    WHERE m.member_oid = r.oid AND m.inherit_option
    OFFSET 0
) AS m
CROSS JOIN LATERAL (
    SELECT p.*
    FROM sync_roles.python_intermediate_roles AS p
    WHERE p.role_oid = m.role_oid
    OFFSET 0
) AS p
WHERE r.rolname = ANY ($1::name[]);
