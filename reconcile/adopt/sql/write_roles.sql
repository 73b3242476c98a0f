-- Rows of desired_roles that say what these roles are. A password cannot be read, and stays as it is.
-- $1 text[]: names of roles
-- $2 text[]: attributes that the daemon may give; the others are left alone where the role has them
INSERT INTO sync_roles.desired_roles (role_name, login, createdb, createrole, inherit, replication, bypassrls, connection_limit,
    valid_until, settings, note)
SELECT r.rolname, r.rolcanlogin, r.rolcreatedb,
    CASE WHEN NOT r.rolcreaterole OR 'createrole' = ANY ($2) THEN r.rolcreaterole END,
    r.rolinherit,
    CASE WHEN NOT r.rolreplication OR 'replication' = ANY ($2) THEN r.rolreplication END,
    CASE WHEN NOT r.rolbypassrls OR 'bypassrls' = ANY ($2) THEN r.rolbypassrls END,
    r.rolconnlimit, r.rolvaliduntil,
    (
        SELECT jsonb_object_agg(split_part(c.setting, '=', 1), substr(c.setting, strpos(c.setting, '=') + 1))
        FROM pg_catalog.pg_db_role_setting AS s
        CROSS JOIN LATERAL unnest(s.setconfig) AS c (setting)
        WHERE s.setrole = r.oid AND s.setdatabase = (SELECT b.oid FROM pg_catalog.pg_database AS b WHERE b.datname = current_database())
    ),
    'adopted'
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = ANY ($1)
ON CONFLICT (role_name) DO NOTHING;
