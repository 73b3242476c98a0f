-- What managed roles held at a time.
-- $1 timestamptz: when
-- $2 text: of this role; empty: of all
-- $3 text: on objects with this in their name, with the schema before it; empty: on all
-- $4 bigint: how many to leave out
-- $5 integer: how many
SELECT a.role_name, a.privilege, a.object_type, coalesce(a.schema_name, '') AS schema_name, a.object_name,
    coalesce(a.column_name, '') AS column_name,
    a.grantable, coalesce(a.via, '') AS via
FROM sync_roles.access_as_of($1) AS a
WHERE ($2 = '' OR a.role_name = $2) AND ($3 = '' OR strpos(lower(concat_ws('.', a.schema_name, a.object_name)), lower($3)) > 0)
ORDER BY a.role_name, a.object_type, a.schema_name, a.object_name, a.column_name, a.privilege
OFFSET $4
LIMIT $5;
