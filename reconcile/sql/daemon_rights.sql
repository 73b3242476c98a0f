-- What decides whether PostgreSQL lets the daemon do something, as one text: its attributes and memberships, who may do what in the database and its
-- schemas, with wrappers, servers and parameters, and the event triggers that look at statements. A new owner needs rights of its own.
SELECT md5(string_agg(f.fact, ' ' ORDER BY f.fact COLLATE "C"))
FROM (
    SELECT format('attributes %s %s %s %s %s %s', r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolreplication, r.rolbypassrls) AS fact
    FROM pg_catalog.pg_roles AS r
    WHERE r.rolname = current_user
    UNION ALL
    -- On 16 and later it has ADMIN on all roles that it made, which come and go by its own work.
    SELECT format('member %s %s %s', m.role_oid, m.inherit_option, m.set_option)
    FROM sync_roles.memberships AS m
    JOIN pg_catalog.pg_roles AS r ON r.oid = m.member_oid
    WHERE r.rolname = current_user AND (m.inherit_option OR m.set_option)
    UNION ALL
    SELECT format('database %s', d.datacl)
    FROM pg_catalog.pg_database AS d
    WHERE d.datname = current_database()
    UNION ALL
    SELECT format('wrapper %s %s %s', w.oid, w.fdwowner, w.fdwacl)
    FROM pg_catalog.pg_foreign_data_wrapper AS w
    UNION ALL
    SELECT format('server %s %s %s', s.oid, s.srvowner, s.srvacl)
    FROM pg_catalog.pg_foreign_server AS s
    UNION ALL
    SELECT format('schema %s %s %s', n.oid, n.nspowner, n.nspacl)
    FROM pg_catalog.pg_namespace AS n
    WHERE NOT starts_with(n.nspname, 'pg_')
    UNION ALL
    SELECT format('parameter %s %s', p.name, p.acl)
    FROM sync_roles.parameters AS p
    WHERE p.oid <> 0
    UNION ALL
    SELECT format('event trigger %s %s %s', e.oid, e.evtfoid, e.evtenabled)
    FROM pg_catalog.pg_event_trigger AS e
) AS f;
