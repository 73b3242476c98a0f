-- What is in schema sync_roles, or hangs on its tables, and is neither of its owner's nor of a superuser's making: it would be run or
-- read with the
-- owner's rights. Last, parts of the schema itself that were bound to another role's function, operator, type or table when they were
-- created.
-- Each row: what it is, and the statement that removes it, or nothing.
WITH ours AS (
    SELECT n.oid, n.nspowner
    FROM pg_catalog.pg_namespace AS n
    WHERE n.nspname = 'sync_roles'
),
trusted AS (
    SELECT o.nspowner AS oid
    FROM ours AS o
    UNION
    SELECT r.oid
    FROM pg_catalog.pg_roles AS r
    WHERE r.rolsuper
),
-- Everything that can be in a schema and has an owner.
contents AS (
    SELECT 'pg_catalog.pg_class'::regclass AS class, c.oid, c.relowner AS owner
    FROM pg_catalog.pg_class AS c
    JOIN ours AS o ON o.oid = c.relnamespace
    WHERE c.relkind NOT IN ('i', 'I', 'c') -- an index belongs to its table, a composite type is listed as type
    UNION ALL
    SELECT 'pg_catalog.pg_proc'::regclass, p.oid, p.proowner
    FROM pg_catalog.pg_proc AS p
    JOIN ours AS o ON o.oid = p.pronamespace
    WHERE p.prorettype <> 'pg_catalog.event_trigger'::regtype -- made by whom the server lets make event triggers; it cannot be called
    UNION ALL
    SELECT 'pg_catalog.pg_type'::regclass, t.oid, t.typowner
    FROM pg_catalog.pg_type AS t
    JOIN ours AS o ON o.oid = t.typnamespace
    LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid
    WHERE (t.typrelid = 0 OR c.relkind = 'c') AND NOT EXISTS (SELECT FROM pg_catalog.pg_type AS e WHERE e.typarray = t.oid)
    UNION ALL
    SELECT 'pg_catalog.pg_operator'::regclass, x.oid, x.oprowner FROM pg_catalog.pg_operator AS x JOIN ours AS o ON o.oid = x.oprnamespace
    UNION ALL
    SELECT 'pg_catalog.pg_opclass'::regclass, x.oid, x.opcowner FROM pg_catalog.pg_opclass AS x JOIN ours AS o ON o.oid = x.opcnamespace
    UNION ALL
    SELECT 'pg_catalog.pg_opfamily'::regclass, x.oid, x.opfowner FROM pg_catalog.pg_opfamily AS x JOIN ours AS o ON o.oid = x.opfnamespace
    UNION ALL
    SELECT 'pg_catalog.pg_collation'::regclass, x.oid, x.collowner
        FROM pg_catalog.pg_collation AS x JOIN ours AS o ON o.oid = x.collnamespace
    UNION ALL
    SELECT 'pg_catalog.pg_conversion'::regclass, x.oid, x.conowner
        FROM pg_catalog.pg_conversion AS x JOIN ours AS o ON o.oid = x.connamespace
    UNION ALL
    SELECT 'pg_catalog.pg_statistic_ext'::regclass, x.oid, x.stxowner
        FROM pg_catalog.pg_statistic_ext AS x JOIN ours AS o ON o.oid = x.stxnamespace
    UNION ALL
    SELECT 'pg_catalog.pg_ts_dict'::regclass, x.oid, x.dictowner FROM pg_catalog.pg_ts_dict AS x JOIN ours AS o ON o.oid = x.dictnamespace
    UNION ALL
    SELECT 'pg_catalog.pg_ts_config'::regclass, x.oid, x.cfgowner FROM pg_catalog.pg_ts_config AS x JOIN ours AS o ON o.oid = x.cfgnamespace
),
-- What the schema is made of, and to what PostgreSQL bound it when it was created. It records no dependency on what initdb made.
parts AS (
    SELECT 'pg_catalog.pg_proc'::regclass AS class, p.oid, 'function ' || p.oid::regprocedure AS what
    FROM pg_catalog.pg_proc AS p
    JOIN ours AS o ON o.oid = p.pronamespace
    UNION ALL
    SELECT x.class, x.oid, 'view or table ' || c.oid::regclass
    FROM ours AS o
    JOIN pg_catalog.pg_class AS c ON c.relnamespace = o.oid
    CROSS JOIN LATERAL (
        SELECT 'pg_catalog.pg_class'::regclass AS class, c.oid
        UNION ALL
        SELECT 'pg_catalog.pg_rewrite'::regclass, w.oid FROM pg_catalog.pg_rewrite AS w WHERE w.ev_class = c.oid
        UNION ALL
        SELECT 'pg_catalog.pg_policy'::regclass, l.oid FROM pg_catalog.pg_policy AS l WHERE l.polrelid = c.oid
        UNION ALL
        SELECT 'pg_catalog.pg_constraint'::regclass, k.oid FROM pg_catalog.pg_constraint AS k WHERE k.conrelid = c.oid
        UNION ALL
        SELECT 'pg_catalog.pg_attrdef'::regclass, f.oid FROM pg_catalog.pg_attrdef AS f WHERE f.adrelid = c.oid
    ) AS x
),
bound AS (
    SELECT DISTINCT p.what, pg_catalog.pg_describe_object(d.refclassid, d.refobjid, 0) AS on_what, r.owner
    FROM parts AS p
    JOIN pg_catalog.pg_depend AS d ON d.classid = p.class AND d.objid = p.oid
    CROSS JOIN LATERAL (
        SELECT r.proowner AS owner FROM pg_catalog.pg_proc AS r WHERE d.refclassid = 'pg_catalog.pg_proc'::regclass AND r.oid = d.refobjid
        UNION ALL
        SELECT r.oprowner FROM pg_catalog.pg_operator AS r WHERE d.refclassid = 'pg_catalog.pg_operator'::regclass AND r.oid = d.refobjid
        UNION ALL
        SELECT r.typowner FROM pg_catalog.pg_type AS r WHERE d.refclassid = 'pg_catalog.pg_type'::regclass AND r.oid = d.refobjid
        UNION ALL
        SELECT r.relowner FROM pg_catalog.pg_class AS r WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND r.oid = d.refobjid
    ) AS r
    WHERE r.owner NOT IN (SELECT t.oid FROM trusted AS t)
)
SELECT format('%s, which belongs to role %s', pg_catalog.pg_describe_object(c.class, c.oid, 0),
    pg_catalog.pg_get_userbyid(c.owner)) AS what,
    format('DROP %s %s', upper(i.type), i.identity) AS fix
FROM contents AS c
CROSS JOIN LATERAL pg_catalog.pg_identify_object(c.class, c.oid, 0) AS i
WHERE c.owner NOT IN (SELECT t.oid FROM trusted AS t)
UNION ALL
SELECT format('trigger %I on table sync_roles.%I, which runs %s of role %s', t.tgname, c.relname, t.tgfoid::regprocedure,
    pg_catalog.pg_get_userbyid(p.proowner)),
    format('DROP TRIGGER %I ON sync_roles.%I', t.tgname, c.relname)
FROM ours AS o
JOIN pg_catalog.pg_class AS c ON c.relnamespace = o.oid
JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = c.oid AND NOT t.tgisinternal
JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
-- PostgreSQL's own functions belong to a superuser, and whoever has TRIGGER on a table can let it run one.
WHERE p.proowner NOT IN (SELECT u.oid FROM trusted AS u) OR p.pronamespace = 'pg_catalog'::regnamespace
UNION ALL
SELECT format('foreign key %I of table %s, which keeps rows of table sync_roles.%I from being deleted', k.conname, k.conrelid::regclass,
    c.relname),
    format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname)
FROM ours AS o
JOIN pg_catalog.pg_class AS c ON c.relnamespace = o.oid
JOIN pg_catalog.pg_constraint AS k ON k.contype = 'f' AND k.confrelid = c.oid
JOIN pg_catalog.pg_class AS r ON r.oid = k.conrelid
WHERE r.relowner NOT IN (SELECT t.oid FROM trusted AS t)
UNION ALL
SELECT format('%s, which is bound to %s of role %s', b.what, b.on_what, pg_catalog.pg_get_userbyid(b.owner)), ''
FROM bound AS b
ORDER BY 1;
