-- What some roles have on what Citus keeps alike on every node, as this node has it. Objects themselves are listed without a grantee.
-- Removable is what a REVOKE by the daemon takes away: what the object's owner granted, or since 16 of memberships what it granted itself.
--
-- The shards that a node has of a table must have what the table has; partial is a privilege that not all of these have.
--
-- It runs on each node, by a session whose search_path is not ours: so every name and operator is qualified.
-- :roles: the roles, as a literal of text[]
-- :shards: whether shards count
WITH me AS MATERIALIZED (
    SELECT r.oid, r.rolsuper
    FROM pg_catalog.pg_roles AS r
    WHERE r.rolname OPERATOR(pg_catalog.=) CURRENT_USER
),
grantees AS MATERIALIZED (
    SELECT r.oid, r.rolname::pg_catalog.text AS name
    FROM pg_catalog.pg_roles AS r
    WHERE r.rolname OPERATOR(pg_catalog.=) ANY (:roles::pg_catalog.name[])
    UNION ALL
    SELECT 0, 'public'
),
alike AS MATERIALIZED (
    SELECT d.classid AS class, d.objid AS oid
    FROM pg_catalog.pg_dist_object AS d
    UNION ALL
    SELECT 'pg_catalog.pg_database'::pg_catalog.regclass, b.oid
    FROM pg_catalog.pg_database AS b
    WHERE b.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
),
relations AS (
    SELECT c.oid, c.oid AS named, c.relkind, c.relacl, c.relowner
    FROM alike AS a
    JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) a.oid
    WHERE a.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
    UNION ALL
    SELECT c.oid, t.oid, t.relkind, c.relacl, c.relowner
    FROM pg_catalog.pg_dist_shard AS s
    JOIN pg_catalog.pg_class AS t ON t.oid OPERATOR(pg_catalog.=) s.logicalrelid
    -- A shard is named like its table, as far as there is room, and its number.
    JOIN pg_catalog.pg_class AS c ON c.relnamespace OPERATOR(pg_catalog.=) t.relnamespace
        AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,f}')
        AND pg_catalog.substring(c.relname::pg_catalog.text, '_([0-9]{1,18})$')::pg_catalog.int8 OPERATOR(pg_catalog.=) s.shardid
    WHERE :shards AND pg_catalog.relation_is_a_known_shard(c.oid)
),
objects AS (
    SELECT CASE WHEN r.relkind OPERATOR(pg_catalog.=) 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS keyword,
        'pg_catalog.pg_class'::pg_catalog.regclass AS class, r.named AS oid, ''::pg_catalog.text AS column_name,
        r.relowner AS owner,
        coalesce(r.relacl, pg_catalog.acldefault(
            CASE WHEN r.relkind OPERATOR(pg_catalog.=) 'S' THEN 's' ELSE 'r' END::pg_catalog."char", r.relowner)) AS acl
    FROM relations AS r
    UNION ALL
    SELECT 'TABLE', 'pg_catalog.pg_class'::pg_catalog.regclass, r.named, c.attname::pg_catalog.text, r.relowner, c.attacl
    FROM relations AS r
    JOIN pg_catalog.pg_attribute AS c ON c.attrelid OPERATOR(pg_catalog.=) r.oid AND c.attacl IS NOT NULL AND NOT c.attisdropped
    UNION ALL
    SELECT 'SCHEMA', a.class, n.oid, '', n.nspowner, coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))
    FROM alike AS a
    JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) a.oid
    WHERE a.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
    UNION ALL
    SELECT 'ROUTINE', a.class, p.oid, '', p.proowner, coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))
    FROM alike AS a
    JOIN pg_catalog.pg_proc AS p ON p.oid OPERATOR(pg_catalog.=) a.oid
    WHERE a.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
    UNION ALL
    SELECT 'DATABASE', a.class, b.oid, '', b.datdba, coalesce(b.datacl, pg_catalog.acldefault('d', b.datdba))
    FROM alike AS a
    JOIN pg_catalog.pg_database AS b ON b.oid OPERATOR(pg_catalog.=) a.oid
    WHERE a.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_database'::pg_catalog.regclass
),
entries AS (
    SELECT DISTINCT o.keyword, i.identity AS object, '' AS column_name, '' AS grantee, '' AS privilege, false AS grantable, '' AS options,
        false AS removable, false AS partial
    FROM objects AS o
    CROSS JOIN LATERAL pg_catalog.pg_identify_object(o.class, o.oid, 0) AS i
    UNION ALL
    SELECT o.keyword, i.identity, o.column_name, g.name, e.privilege_type, pg_catalog.bool_or(e.is_grantable), '',
        pg_catalog.bool_and(e.grantor OPERATOR(pg_catalog.=) o.owner),
        pg_catalog.count(*) OPERATOR(pg_catalog.<)
            (SELECT pg_catalog.count(*) FROM relations AS r WHERE r.named OPERATOR(pg_catalog.=) o.oid)
    FROM objects AS o
    CROSS JOIN LATERAL pg_catalog.aclexplode(o.acl) AS e
    JOIN grantees AS g ON g.oid OPERATOR(pg_catalog.=) e.grantee AND g.name OPERATOR(pg_catalog.=) ANY (:roles::pg_catalog.text[])
    CROSS JOIN LATERAL pg_catalog.pg_identify_object(o.class, o.oid, 0) AS i
    GROUP BY o.keyword, o.oid, i.identity, o.column_name, g.name, e.privilege_type
    UNION ALL
    SELECT 'ROLE', r.rolname::pg_catalog.text, '', '', '', false, '', false, false
    FROM alike AS a
    JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) a.oid
    WHERE a.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_authid'::pg_catalog.regclass
    UNION ALL
    -- Before 16, memberships have no options of their own.
    SELECT 'ROLE', r.rolname::pg_catalog.text, '', g.name, 'MEMBER', pg_catalog.bool_or(m.admin_option),
        coalesce('INHERIT ' OPERATOR(pg_catalog.||) pg_catalog.bool_or(x.inherits)::pg_catalog.text
            OPERATOR(pg_catalog.||) ', SET ' OPERATOR(pg_catalog.||) pg_catalog.bool_or(x.sets)::pg_catalog.text, ''),
        pg_catalog.bool_and(x.sets IS NULL OR m.grantor OPERATOR(pg_catalog.=) me.oid
            OR me.rolsuper AND m.grantor OPERATOR(pg_catalog.=) 10),
        false
    FROM alike AS a
    JOIN pg_catalog.pg_auth_members AS m ON m.roleid OPERATOR(pg_catalog.=) a.oid
    JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) m.roleid
    JOIN grantees AS g ON g.oid OPERATOR(pg_catalog.=) m.member
    CROSS JOIN LATERAL (
        SELECT (pg_catalog.to_jsonb(m) OPERATOR(pg_catalog.->>) 'inherit_option')::pg_catalog.bool AS inherits,
            (pg_catalog.to_jsonb(m) OPERATOR(pg_catalog.->>) 'set_option')::pg_catalog.bool AS sets
    ) AS x
    CROSS JOIN me
    WHERE a.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_authid'::pg_catalog.regclass
    GROUP BY r.rolname, g.name
)
SELECT coalesce(pg_catalog.json_agg(e), '[]')::pg_catalog.text
FROM entries AS e
