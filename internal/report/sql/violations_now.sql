-- What breaks the rules, from the catalogs as they are.
SELECT v.forbidden_id, v.role_name, v.privilege, v.object_type, coalesce(v.schema_name, '') AS schema_name, v.object_name,
    coalesce(v.column_name, '') AS column_name, v.path, v.reason, v.since, NULL::timestamptz AS until
FROM sync_roles.violations AS v
ORDER BY v.forbidden_id, v.role_name COLLATE "C", v.object_type COLLATE "C", v.schema_name COLLATE "C", v.object_name COLLATE "C",
    v.column_name COLLATE "C", v.privilege COLLATE "C", v.path COLLATE "C";
