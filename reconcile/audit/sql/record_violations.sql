-- Notes the violations that are new, and those that are over; and notifies of the new ones.
-- $1 text: the channel
-- $2 integer: how many to note at most; further ones are noted by the next looks
WITH broken AS MATERIALIZED (
    SELECT v.*
    FROM sync_roles.violations AS v
),
recent AS MATERIALIZED (
    SELECT h."session_user", h.at, h.statement
    FROM sync_roles.hand_changes AS h
    WHERE h.at > now() - interval '10 minutes'
    ORDER BY h.at DESC
    LIMIT 200
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
        (forbidden_id, role_name, privilege, object_type, schema_name, object_name, column_name, path, reason, culprit)
    SELECT b.forbidden_id, b.role_name, b.privilege, b.object_type, b.schema_name, b.object_name, b.column_name, b.path, b.reason, (
            -- GRANT does not say on what, so it is known by its text.
            SELECT format('%s at %s (%s)', h."session_user", to_char(h.at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"'), h.statement)
            FROM recent AS h
            WHERE strpos(h.statement, split_part(b.object_name, '(', 1)) > 0 OR strpos(h.statement, b.schema_name) > 0
            ORDER BY strpos(h.statement, split_part(b.object_name, '(', 1)) > 0 DESC, strpos(h.statement, b.role_name) > 0 DESC, h.at DESC
            LIMIT 1
        )
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
