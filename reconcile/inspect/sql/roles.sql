-- The roles of a batch: what they are, what they should be, and how they were left last time.
-- $1 text[]: names of roles, intermediate roles and keepers among them, as the registry has them
SELECT
    n.role_name,
    coalesce(r.oid, 0) AS oid,
    coalesce(r.rolsuper, false) AS superuser,
    coalesce(r.rolinherit, true) AS inherit,
    coalesce(r.rolcanlogin, false) AS login,
    coalesce(r.rolcreatedb, false) AS createdb,
    coalesce(r.rolcreaterole, false) AS createrole,
    coalesce(r.rolreplication, false) AS replication,
    coalesce(r.rolbypassrls, false) AS bypassrls,
    coalesce(r.rolconnlimit, -1) AS connection_limit,
    coalesce(r.rolvaliduntil, 'infinity') AS valid_until,
    sync_roles.is_provider_role(n.role_name) AS provider,
    i.role_oid IS NOT NULL AS intermediate,
    coalesce(i.keeper, false) AS keeper,
    coalesce(i.locks, false) AS locks,
    coalesce(i.role_oid, 0) AS intermediate_oid,
    coalesce(renamed.rolname::text, '') AS renamed_to,
    coalesce(renamed.ours, false) AS renamed_ours,
    -- Named like an intermediate role of another database, and not in this one's registry.
    CASE
        WHEN i.role_oid IS NULL AND sync_roles.is_ours(n.role_name) THEN sync_roles.foreign_database(n.role_name) IS NOT NULL
            AND NOT EXISTS (SELECT FROM sync_roles.intermediate_roles AS f WHERE f.role_oid = r.oid)
        ELSE false
    END AS foreign_name,
    -- A suspended role gets back the LOGIN that was taken for that.
    CASE
        WHEN d.state <> 'active' THEN false
        WHEN d.role_name IS NOT NULL AND u.login THEN coalesce(d.login, true)
        ELSE d.login
    END AS desired_login,
    d.createdb AS desired_createdb,
    d.createrole AS desired_createrole,
    d.inherit AS desired_inherit,
    d.replication AS desired_replication,
    d.bypassrls AS desired_bypassrls,
    d.connection_limit AS desired_connection_limit,
    d.valid_until AS desired_valid_until,
    CASE
        WHEN encode(sha256(convert_to(d.password_verifier, 'UTF8')), 'hex') IS DISTINCT FROM p.fingerprint
            THEN d.password_verifier <> ''
    END AS password_change,
    d.settings AS desired_settings,
    coalesce((
        SELECT s.setconfig
        FROM pg_catalog.pg_db_role_setting AS s
        WHERE s.setrole = r.oid AND s.setdatabase = (SELECT b.oid FROM pg_catalog.pg_database AS b WHERE b.datname = current_database())
    ), '{}') AS settings,
    d.role_name IS NOT NULL OR EXISTS (SELECT FROM sync_roles.desired_grants AS g WHERE g.role_name = n.role_name) AS managed,
    coalesce(d.revoke_other <> '{}', false) AS exclusive,
    EXISTS (SELECT FROM sync_roles.withdrawn AS w WHERE w.role_name = n.role_name) AS withdrawn,
    coalesce(d.end_sessions OR d.state <> 'active', false) AS end_sessions,
    coalesce(d.state, 'active') AS state,
    u.role_oid IS NOT NULL AS suspended,
    coalesce(u.released, false) AS released,
    CASE
        WHEN d.state = 'retired' THEN (SELECT count(*) FROM sync_roles.desired_grants AS g WHERE g.role_name = n.role_name)
        ELSE 0
    END AS ignored_rows,
    coalesce(t.attempt, 0) AS failed_attempts,
    coalesce(a.outcome, '') AS last_outcome,
    coalesce(a.problems, '[]') AS last_problems
FROM unnest($1::text[]) AS n (role_name)
-- LATERAL with OFFSET 0 makes the planner look each name up by index.
LEFT JOIN LATERAL (
    SELECT r.*
    FROM pg_catalog.pg_roles AS r
    WHERE r.rolname = n.role_name COLLATE "C"
    OFFSET 0
) AS r ON true
LEFT JOIN LATERAL (
    SELECT i.role_oid, false AS keeper, false AS locks
    FROM sync_roles.intermediate_roles AS i
    WHERE i.role_name = n.role_name
    UNION ALL
    SELECT k.role_oid, true, k.locks
    FROM sync_roles.keepers AS k
    WHERE k.role_name = n.role_name
    LIMIT 1
) AS i ON true
-- Where the registered role bears another name. One that is a login, or more, and lacks the comment, is left alone: it may be another
-- role of the OID.
LEFT JOIN LATERAL (
    SELECT o.rolname,
        starts_with(shobj_description(o.oid, 'pg_authid'), 'intermediate role of sync_roles in database ') IS TRUE
            OR coalesce(sync_roles.role_attributes(o.oid), '') = CASE WHEN i.locks THEN 'CREATEROLE' ELSE '' END AS ours
    FROM pg_catalog.pg_roles AS o
    WHERE o.oid = i.role_oid
    OFFSET 0
) AS renamed ON r.oid IS DISTINCT FROM i.role_oid
LEFT JOIN sync_roles.desired_roles AS d ON d.role_name = n.role_name
LEFT JOIN sync_roles.applied_passwords AS p ON p.role_oid = r.oid
LEFT JOIN sync_roles.suspended_roles AS u ON u.role_oid = r.oid
LEFT JOIN sync_roles.retries AS t ON t.role_name = n.role_name
LEFT JOIN LATERAL (
    SELECT a.outcome, a.problems
    FROM sync_roles.audit AS a
    WHERE a.role_name = n.role_name
    ORDER BY a.id DESC
    LIMIT 1
) AS a ON true;
