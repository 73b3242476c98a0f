-- Registers a role that was just made.
-- $1 text: the role; $2 text, ... $7 text: privilege, object_type, schema_name or '', object_name, name_match, column_name or ''
-- $8 text: the rest of a selector that is not plain (sync_roles.all_matchable_grants.more), or ''
INSERT INTO sync_roles.intermediate_roles (role_name, role_oid, privilege, object_type, schema_name, object_name, name_match, column_name,
    schema_match, except_names, except_schemas, except_columns, partitions)
SELECT r.rolname, r.oid, $2, $3, nullif($4, ''), $5, $6, nullif($7, ''), coalesce(m.more ->> 'schema_match', 'exact'),
    ARRAY(SELECT jsonb_array_elements_text(m.more -> 'except_names')), ARRAY(SELECT jsonb_array_elements_text(m.more -> 'except_schemas')),
    ARRAY(SELECT jsonb_array_elements_text(m.more -> 'except_columns')), coalesce((m.more ->> 'partitions')::boolean, false)
FROM pg_catalog.pg_roles AS r
CROSS JOIN (SELECT nullif($8, '')::jsonb AS more) AS m
WHERE r.rolname = $1
ON CONFLICT (role_name) DO UPDATE SET role_oid = excluded.role_oid;
