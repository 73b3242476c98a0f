-- What the report is of, and how far back history goes.
-- $1 timestamptz: as of when; NULL: now
-- $2 timestamptz: when the period begins; NULL: 90 days before
SELECT coalesce($1::timestamptz, now()) AS as_of, coalesce($2::timestamptz, coalesce($1, now()) - interval '90 days') AS since,
    $1 > clock_timestamp() AS is_future, b.since AS history_since, b.observed_at, current_database()::text AS database,
    current_setting('server_version') AS server_version, i.schema_version,
    CASE WHEN has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') THEN
        (SELECT c.system_identifier::text FROM pg_catalog.pg_control_system() AS c)
    END AS system_identifier,
    (SELECT d.oid::bigint FROM pg_catalog.pg_database AS d WHERE d.datname = current_database()) AS database_oid
FROM sync_roles.history_begin AS b
CROSS JOIN sync_roles.installation AS i;
