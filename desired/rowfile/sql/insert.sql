-- $1 jsonb: rows
-- $2 text: their source
INSERT INTO sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match, column_name,
    schema_match, except_names, except_schemas, except_columns, partitions, at_creation, direct, grantable,
    create_if_not_exists, inherit_option, set_option, expires_at, note, source)
SELECT n.role_name, n.privilege, n.object_type, n.schema_name, n.object_name, n.name_match, n.column_name,
    coalesce(nullif(n.schema_match, ''), 'exact'), coalesce(n.except_names, '{}'), coalesce(n.except_schemas, '{}'),
    coalesce(n.except_columns, '{}'), coalesce(n.partitions, false), coalesce(n.at_creation, false), n.direct, n.grantable,
    n.create_if_not_exists, n.inherit_option, n.set_option, n.expires_at, n.note, $2
FROM jsonb_to_recordset($1::jsonb) AS n (
    role_name text, privilege text, object_type text, schema_name text, object_name text, name_match text, column_name text,
    schema_match text, except_names text[], except_schemas text[], except_columns text[],
    partitions boolean, at_creation boolean, direct boolean, grantable boolean, create_if_not_exists boolean,
    inherit_option boolean, set_option boolean, expires_at timestamptz,
    note text
);
