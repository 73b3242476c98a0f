-- What decides whether PostgreSQL lets the daemon do something, as one text: its attributes; the roles that it has, through others too;
-- what they and PUBLIC
-- may do in the database and its schemas, with wrappers, servers and parameters; what new owners need; and the event triggers that look
-- at statements.
-- Passes themselves hardly change it: what else other roles are granted is left out, and so are roles of ours, on each of which the
-- daemon has the ADMIN option.
-- The daemon may have it on a hundred thousand others: each is read once, by index, and nothing is sorted.
WITH RECURSIVE ours AS MATERIALIZED (
    -- The character after _ is `.
    SELECT r.oid
    FROM pg_catalog.pg_roles AS r
    WHERE r.rolname >= '_pgsr_' AND r.rolname < '_pgsr`'
),
had (oid) AS (
    SELECT r.oid
    FROM pg_catalog.pg_roles AS r
    WHERE r.rolname = current_user
    UNION
    SELECT m.role_oid
    FROM had AS h
    JOIN sync_roles.memberships AS m ON m.member_oid = h.oid AND (m.inherit_option OR m.set_option)
    WHERE m.role_oid NOT IN (SELECT o.oid FROM ours AS o)
),
members AS MATERIALIZED (
    SELECT m.role_oid, m.member_oid, m.admin_option, m.inherit_option, m.set_option
    FROM had AS h
    JOIN sync_roles.memberships AS m ON m.member_oid = h.oid
    WHERE m.role_oid NOT IN (SELECT o.oid FROM ours AS o)
),
things AS (
    SELECT format('database %s', d.oid) AS thing, d.datdba AS owner, coalesce(d.datacl, acldefault('d', d.datdba)) AS acl
    FROM pg_catalog.pg_database AS d
    WHERE d.datname = current_database()
    UNION ALL
    SELECT format('wrapper %s', w.oid), w.fdwowner, w.fdwacl
    FROM pg_catalog.pg_foreign_data_wrapper AS w
    UNION ALL
    SELECT format('server %s', s.oid), s.srvowner, s.srvacl
    FROM pg_catalog.pg_foreign_server AS s
    UNION ALL
    SELECT format('schema %s', n.oid), n.nspowner, n.nspacl
    FROM pg_catalog.pg_namespace AS n
    WHERE NOT starts_with(n.nspname, 'pg_')
    UNION ALL
    SELECT format('parameter %s', p.name), 0::oid, p.acl
    FROM sync_roles.parameters AS p
    WHERE p.oid <> 0
)
SELECT md5(string_agg(f.fact, ' ' ORDER BY f.fact COLLATE "C"))
FROM (
    SELECT format('attributes %s %s %s %s %s %s', r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolreplication,
        r.rolbypassrls) AS fact
    FROM pg_catalog.pg_roles AS r
    WHERE r.rolname = current_user
    UNION ALL
    SELECT format(
        'members %s %s',
        count(*),
        sum(hashoidextended(
            m.role_oid,
            8 * m.member_oid::bigint + 4 * m.admin_option::integer + 2 * m.inherit_option::integer + m.set_option::integer
        ))
    )
    FROM members AS m
    UNION ALL
    SELECT format('owner of %s', t.thing)
    FROM things AS t
    WHERE t.owner IN (SELECT h.oid FROM had AS h)
    UNION ALL
    SELECT format('%s %s %s %s', t.thing, a.grantee, a.privilege_type, a.is_grantable)
    FROM things AS t
    CROSS JOIN LATERAL aclexplode(t.acl) AS a
    WHERE a.grantee = 0 OR a.grantee IN (SELECT h.oid FROM had AS h)
        -- New owners need these rights themselves: on the schema or the database, and on a server's wrapper.
        OR a.privilege_type = 'CREATE' OR starts_with(t.thing, 'wrapper ')
    UNION ALL
    SELECT format('event trigger %s %s %s', e.oid, e.evtfoid, e.evtenabled)
    FROM pg_catalog.pg_event_trigger AS e
) AS f;
