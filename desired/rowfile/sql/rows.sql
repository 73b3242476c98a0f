-- Rows of desired_grants as JSON: those of a source, and those that may have the keys of others.
-- $1 text: the source; NULL: any
-- $2 text[], $3 text[]: roles and object names; both at once
SELECT jsonb_build_object('id', g.id, 'source', g.source, 'role_name', g.role_name, 'privilege', g.privilege, 'object_type', g.object_type,
    'schema_name', g.schema_name, 'object_name', g.object_name, 'name_match', g.name_match, 'column_name', g.column_name,
    'schema_match', g.schema_match, 'except_names', g.except_names, 'except_schemas', g.except_schemas, 'except_columns', g.except_columns,
    'partitions', g.partitions, 'at_creation', g.at_creation, 'direct', g.direct, 'grantable', g.grantable,
    'create_if_not_exists', g.create_if_not_exists,
    'inherit_option', g.inherit_option, 'set_option', g.set_option,
    'expires_at', CASE WHEN isfinite(g.expires_at) THEN g.expires_at END, 'note', g.note)
FROM sync_roles.desired_grants AS g
WHERE ($1::text IS NULL OR g.source = $1 OR g.role_name = ANY ($2::text[]) AND g.object_name = ANY ($3::text[]))
    AND (g.expires_at IS NULL OR g.expires_at > now());
