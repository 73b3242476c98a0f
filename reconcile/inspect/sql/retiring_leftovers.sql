-- What is left of roles in this database, and in what the cluster shares, that no row can name.
-- $1 text[]: names of roles
-- $2 text: who gets what they own, where their rows do not say
WITH retiring AS MATERIALIZED (
    SELECT r.oid, r.rolname::text AS role_name, coalesce(d.reassign_to, $2) AS to_name
    FROM pg_catalog.pg_roles AS r
    JOIN sync_roles.desired_roles AS d ON d.role_name = r.rolname::text
    WHERE r.rolname = ANY ($1)
),
depending AS MATERIALIZED (
    SELECT DISTINCT r.oid, r.role_name, r.to_name, d.classid, d.objid, d.deptype::text
    FROM retiring AS r
    JOIN pg_catalog.pg_shdepend AS d
        ON d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = r.oid
            AND coalesce(d.dbid) IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
),
-- Others than rows can name. As a scalar with LIMIT 1: each is looked up by index.
unnamed AS MATERIALIZED (
    SELECT d.*
    FROM depending AS d
    WHERE d.deptype IN ('o', 'a')
        AND d.classid NOT IN ('pg_catalog.pg_default_acl'::regclass, 'pg_catalog.pg_user_mapping'::regclass,
            'pg_catalog.pg_auth_members'::regclass)
        AND (
            SELECT true
            FROM sync_roles.objects AS o
            WHERE o.class_oid = d.classid AND o.object_oid = d.objid
            LIMIT 1
        ) IS NULL
),
other AS MATERIALIZED (
    SELECT d.*, i.type, i.schema, i.identity
    FROM unnamed AS d
    CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, 0) AS i
    -- A multirange follows its range.
    WHERE NOT (d.classid = 'pg_catalog.pg_type'::regclass
            AND EXISTS (SELECT FROM pg_catalog.pg_range AS g WHERE g.rngmultitypid = d.objid))
        -- Of a session: it goes with that.
        AND NOT starts_with(coalesce(i.schema, ''), 'pg_temp')
)
SELECT o.role_name, 'owner' AS kind, o.type, o.identity AS object, coalesce(n.nspname::text, '') AS schema_name, '{}'::text[] AS grantees,
    o.oid AS owner_oid,
    CASE WHEN p.in_database THEN b.datdba ELSE coalesce(n.nspowner, 0) END AS place_owner_oid,
    CASE
        WHEN p.in_database THEN coalesce(has_database_privilege(t.oid, b.oid, 'CREATE'), true)
        ELSE coalesce(has_schema_privilege(t.oid, n.oid, 'CREATE'), true)
    END AS may_create
FROM other AS o
CROSS JOIN LATERAL (SELECT o.type IN ('publication', 'subscription') AS in_database) AS p
JOIN pg_catalog.pg_database AS b ON b.datname = current_database()
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = o.schema
LEFT JOIN pg_catalog.pg_roles AS t ON t.rolname = o.to_name COLLATE "C"
WHERE o.deptype = 'o'
UNION ALL
SELECT o.role_name, 'acl', o.type, o.identity, '', '{}',
    coalesce((SELECT c.relowner FROM pg_catalog.pg_class AS c WHERE o.classid = 'pg_catalog.pg_class'::regclass AND c.oid = o.objid),
        (SELECT p.proowner FROM pg_catalog.pg_proc AS p WHERE o.classid = 'pg_catalog.pg_proc'::regclass AND p.oid = o.objid),
        (SELECT y.typowner FROM pg_catalog.pg_type AS y WHERE o.classid = 'pg_catalog.pg_type'::regclass AND y.oid = o.objid),
        (SELECT n.nspowner FROM pg_catalog.pg_namespace AS n WHERE o.classid = 'pg_catalog.pg_namespace'::regclass AND n.oid = o.objid),
        10),
    0, true
FROM other AS o
WHERE o.deptype = 'a'
UNION ALL
-- Of its own default privileges, whom they are for.
SELECT d.role_name, 'own_defaults', a.defaclobjtype::text, '', coalesce(n.nspname::text, ''),
    ARRAY(
        SELECT DISTINCT coalesce(g.rolname::text, 'public')
        FROM aclexplode(a.defaclacl) AS e
        LEFT JOIN pg_catalog.pg_roles AS g ON g.oid = e.grantee
        WHERE e.grantee = 0 OR g.oid IS NOT NULL
        ORDER BY 1
    ),
    d.oid, 0, true
FROM depending AS d
JOIN pg_catalog.pg_default_acl AS a ON d.classid = 'pg_catalog.pg_default_acl'::regclass AND a.oid = d.objid AND a.defaclrole = d.oid
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = a.defaclnamespace
UNION ALL
SELECT d.role_name, 'defaults', a.defaclobjtype::text, g.rolname::text, coalesce(n.nspname::text, ''), '{}', g.oid, 0, true
FROM depending AS d
JOIN pg_catalog.pg_default_acl AS a ON d.classid = 'pg_catalog.pg_default_acl'::regclass AND a.oid = d.objid AND a.defaclrole <> d.oid
JOIN pg_catalog.pg_roles AS g ON g.oid = a.defaclrole
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = a.defaclnamespace
UNION ALL
-- Of policies, for whom they are besides.
SELECT d.role_name, 'policy', p.polname::text, c.relname::text, n.nspname::text,
    ARRAY(
        SELECT g.rolname::text
        FROM pg_catalog.pg_roles AS g
        WHERE g.oid = ANY (p.polroles) AND g.oid NOT IN (SELECT x.oid FROM retiring AS x WHERE x.oid = d.oid)
        ORDER BY 1
    ),
    c.relowner, 0, true
FROM depending AS d
JOIN pg_catalog.pg_policy AS p ON d.classid = 'pg_catalog.pg_policy'::regclass AND p.oid = d.objid
JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
UNION ALL
SELECT d.role_name, 'user_mapping', '', m.srvname::text, '', '{}', s.srvowner, 0, true
FROM depending AS d
JOIN pg_catalog.pg_user_mappings AS m ON d.classid = 'pg_catalog.pg_user_mapping'::regclass AND m.umid = d.objid
JOIN pg_catalog.pg_foreign_server AS s ON s.oid = m.srvid
UNION ALL
SELECT DISTINCT d.role_name, 'initial', '', '', '', '{}'::text[], d.oid, 0::oid, true
FROM depending AS d
WHERE d.deptype = 'i'
ORDER BY 1, 2, 3, 5, 4;
