-- Inserts rows of desired_grants, and says of each what its id is, or why it cannot be one. A row with neither was there before.
-- $1 ... $10: arrays of role_name, privilege, object_type, schema_name, object_name, name_match, column_name, grantable, inherit_option,
-- set_option
WITH asked AS MATERIALIZED (
    SELECT a.position, a.role_name, a.privilege, a.object_type, nullif(a.schema_name, '') AS schema_name, a.object_name, a.name_match,
        nullif(a.column_name, '') AS column_name, a.grantable, a.inherit_option, a.set_option,
        sync_roles.row_problem(a.role_name, a.privilege, a.object_type, nullif(a.schema_name, ''), a.object_name, a.name_match,
            nullif(a.column_name, ''),
            NULL, a.grantable, false) AS problem
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::boolean[],
            $9::boolean[], $10::boolean[]) WITH ORDINALITY
        AS a (role_name, privilege, object_type, schema_name, object_name, name_match, column_name, grantable, inherit_option, set_option,
            position)
),
inserted AS (
    INSERT INTO sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match, column_name, grantable,
        inherit_option, set_option, note)
    SELECT a.role_name, a.privilege, a.object_type, a.schema_name, a.object_name, a.name_match, a.column_name, a.grantable,
        a.inherit_option, a.set_option, 'adopted'
    FROM asked AS a
    WHERE a.problem IS NULL
    ON CONFLICT DO NOTHING
    RETURNING id, role_name, selector
)
SELECT coalesce(i.id, 0) AS id, coalesce(a.problem, '') AS problem
FROM asked AS a
LEFT JOIN inserted AS i
    ON i.role_name = a.role_name
    AND i.selector = sync_roles.selector(a.privilege, a.object_type, a.schema_name, a.object_name, a.name_match, a.column_name,
        'exact', '{}', '{}', '{}', false)
ORDER BY a.position;
