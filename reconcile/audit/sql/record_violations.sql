-- Notes the violations that are new, and those that are over; and notifies of the new ones.
-- $1 text: the channel
-- $2 integer: how many to note at most; further ones are noted by the next looks
WITH broken AS MATERIALIZED (
    SELECT v.*
    FROM sync_roles.violations AS v
),
over AS (
    UPDATE sync_roles.violation_history AS h
    SET until = now()
    WHERE h.until IS NULL AND NOT EXISTS (
        SELECT
        FROM broken AS b
        WHERE b.forbidden_id = h.forbidden_id AND b.role_name = h.role_name AND b.privilege = h.privilege AND b.object_type = h.object_type
            AND b.schema_name IS NOT DISTINCT FROM h.schema_name AND b.object_name = h.object_name
            AND b.column_name IS NOT DISTINCT FROM h.column_name
    )
),
fresh AS (
    INSERT INTO sync_roles.violation_history
        (forbidden_id, role_name, privilege, object_type, schema_name, object_name, column_name, path, reason)
    SELECT b.forbidden_id, b.role_name, b.privilege, b.object_type, b.schema_name, b.object_name, b.column_name, b.path, b.reason
    FROM broken AS b
    WHERE NOT EXISTS (
        SELECT
        FROM sync_roles.violation_history AS h
        WHERE h.until IS NULL AND b.forbidden_id = h.forbidden_id AND b.role_name = h.role_name AND b.privilege = h.privilege
            AND b.object_type = h.object_type AND b.schema_name IS NOT DISTINCT FROM h.schema_name AND b.object_name = h.object_name
            AND b.column_name IS NOT DISTINCT FROM h.column_name
    )
    ORDER BY b.forbidden_id, b.role_name, b.object_type, b.schema_name, b.object_name, b.privilege, b.column_name
    LIMIT $2
    ON CONFLICT DO NOTHING
    RETURNING id, forbidden_id, role_name, privilege, object_type, concat_ws('.', schema_name, object_name) AS object, path, reason
)
SELECT f.forbidden_id, f.role_name, f.privilege, f.object_type || ' ' || f.object AS object, f.path, f.reason
FROM fresh AS f
CROSS JOIN LATERAL pg_notify($1, json_build_object('event', 'violation', 'violation_id', f.id, 'forbidden_id', f.forbidden_id,
    'role_name', f.role_name)::text)
ORDER BY f.id;
