-- The rules that there were.
-- $1 timestamptz: when; NULL: now
SELECT f.id, f.privilege, f.object_type, coalesce(f.schema_name, '') AS schema_name, f.schema_match, f.object_name, f.name_match,
    coalesce(f.column_name, '') AS column_name, f.except_roles, f.enforce, f.reason, f.applies_to,
    coalesce(f.with_privilege, '') AS with_privilege, coalesce(f.with_object_type, '') AS with_object_type,
    coalesce(f.with_schema_name, '') AS with_schema_name, coalesce(f.with_schema_match, '') AS with_schema_match,
    coalesce(f.with_object_name, '') AS with_object_name, coalesce(f.with_name_match, '') AS with_name_match,
    coalesce(f.with_column_name, '') AS with_column_name, f.created_by, f.created_at
FROM sync_roles.desired_history AS d
CROSS JOIN LATERAL jsonb_populate_record(NULL::sync_roles.forbidden, d."row") AS f
WHERE d.table_name = 'forbidden' AND CASE WHEN $1::timestamptz IS NULL THEN upper_inf(d.valid) ELSE d.valid @> $1 END
ORDER BY f.id;
