-- The beginning of a query: what every role holds, from the catalogs as they are: its ACL entries and those of its intermediate roles,
-- what it owns, its memberships, what it has as a predefined role or superuser and, of code, as far as one can tell.
-- $1 timestamptz: NULL
-- $2 text[]: only these roles, and PUBLIC; NULL: all
WITH RECURSIVE intermediates AS MATERIALIZED (
    SELECT i.role_oid FROM sync_roles.intermediate_roles AS i
    UNION
    SELECT p.role_oid FROM sync_roles.python_intermediate_roles AS p
),
roles AS MATERIALIZED (
    SELECT r.oid, r.rolname::text AS role_name, r.rolsuper AS superuser
    FROM pg_catalog.pg_roles AS r
    WHERE r.oid NOT IN (SELECT i.role_oid FROM intermediates AS i)
    UNION ALL
    SELECT 0, 'public', false
),
-- Predefined roles hold what their members have by them; no session logs in as one.
starts AS MATERIALIZED (
    SELECT r.oid, r.role_name
    FROM roles AS r
    WHERE NOT starts_with(r.role_name, 'pg_') AND ($2::text[] IS NULL OR r.role_name = ANY ($2) OR r.oid = 0)
),
managed AS MATERIALIZED (
    SELECT m.role_name FROM sync_roles.managed_roles AS m
),
objects AS MATERIALIZED (
    SELECT o.object_type, o.class_oid, o.object_oid, o.schema_name::text AS schema_name,
        coalesce(o.signature, o.object_name::text) AS object_name, o.object_name::text AS own_name, o.owner, o.acl, n.oid AS schema_oid
    FROM sync_roles.objects AS o
    LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = o.schema_name AND o.schema_name <> ''
    WHERE o.object_type <> 'role'
),
acls AS (
    SELECT o.object_type, o.class_oid, o.object_oid, o.schema_name, o.object_name, o.own_name, '' AS column_name, o.owner, o.schema_oid,
        o.acl
    FROM objects AS o
    -- A parameter on which nothing was ever granted has no ACL, not even an owner's.
    WHERE o.object_oid <> 0
    UNION ALL
    SELECT o.object_type, o.class_oid, o.object_oid, o.schema_name, o.object_name, o.own_name, c.attname::text, o.owner, o.schema_oid,
        sync_roles.unpacked(c.attacl)
    FROM objects AS o
    JOIN pg_catalog.pg_attribute AS c ON c.attrelid = o.object_oid AND c.attacl IS NOT NULL AND NOT c.attisdropped
    WHERE o.object_type = 'table'
),
-- What owners can do through their own code, they can do without it.
code AS MATERIALIZED (
    SELECT h.*, h.possible AND (starts_with(h.through, 'function ') OR starts_with(h.through, 'trigger ')) AS is_all,
        c.object_type AS code_type, c.schema_name AS code_schema, c.object_name AS code_name, c.own_name AS code_own_name, c.schema_oid
    FROM sync_roles.holders AS h
    LEFT JOIN objects AS c ON c.class_oid = h.code_class_oid AND c.object_oid = h.code_oid
    WHERE h.through IS NOT NULL AND h.holder_oid IS DISTINCT FROM c.owner
),
entries AS MATERIALIZED (
    SELECT a.grantee AS holder_oid, a.privilege_type AS privilege, o.object_type, o.schema_name, o.object_name, o.own_name, o.column_name,
        bool_or(a.is_grantable) AS grantable, string_agg(DISTINCT quote_ident(g.rolname), ', ') AS grantors,
        CASE WHEN a.grantee = o.owner THEN 'owner' ELSE 'granted' END AS means, '' AS through, false AS possible, 1::bigint AS objects,
        o.schema_oid, o.class_oid AS code_class_oid, o.object_oid AS code_oid, a.privilege_type AS code_privilege,
        o.object_type AS code_type, o.schema_name AS code_schema, o.object_name AS code_name, o.own_name AS code_own_name
    FROM acls AS o
    CROSS JOIN LATERAL aclexplode(o.acl) AS a
    LEFT JOIN pg_catalog.pg_roles AS g ON g.oid = a.grantor
    GROUP BY a.grantee, a.privilege_type, o.object_type, o.schema_name, o.object_name, o.own_name, o.column_name, o.owner, o.schema_oid,
        o.class_oid, o.object_oid
    UNION ALL
    SELECT o.owner, 'OWNER', o.object_type, o.schema_name, o.object_name, o.own_name, '', false, '', 'owner', '', false, 1, NULL, NULL,
        NULL, NULL, o.object_type, o.schema_name, o.object_name, o.own_name
    FROM objects AS o
    WHERE o.object_type <> 'parameter'
    UNION ALL
    SELECT v.holder_oid, v.privilege, o.object_type, o.schema_name, o.object_name, o.own_name, '', false, '', 'predefined role', '', false,
        1, o.schema_oid, o.class_oid, o.object_oid, v.privilege, o.object_type, o.schema_name, o.object_name, o.own_name
    FROM sync_roles.predefined_holders AS v
    JOIN objects AS o ON o.object_type = v.object_type
    UNION ALL
    SELECT h.holder_oid, h.privilege, h.object_type, o.schema_name, o.object_name, o.own_name, coalesce(h.column_name, ''), h.grantable, '',
        'code', h.through, h.possible, 1, h.schema_oid, h.code_class_oid, h.code_oid, h.code_privilege, h.code_type, h.code_schema,
        h.code_name, h.code_own_name
    FROM code AS h
    JOIN objects AS o ON o.class_oid = h.class_oid AND o.object_oid = h.object_oid AND o.object_type = h.object_type
    WHERE NOT h.is_all
    UNION ALL
    -- The reach of a function is all that its owner can: one entry.
    SELECT h.holder_oid, 'ALL', 'any', '', '', '', '', false, '', 'code', h.through, true, count(DISTINCT (h.class_oid, h.object_oid)),
        h.schema_oid, h.code_class_oid, h.code_oid, h.code_privilege, h.code_type, h.code_schema, h.code_name, h.code_own_name
    FROM code AS h
    WHERE h.is_all
    GROUP BY h.holder_oid, h.through, h.schema_oid, h.code_class_oid, h.code_oid, h.code_privilege, h.code_type, h.code_schema, h.code_name,
        h.code_own_name
    UNION ALL
    SELECT r.oid, 'ALL', 'any', '', '', '', '', true, '', 'superuser', '', false,
        (SELECT count(*) FROM objects AS o WHERE o.object_oid <> 0), NULL, NULL, NULL, NULL, '', '', '', ''
    FROM roles AS r
    WHERE r.superuser
    UNION ALL
    SELECT m.member_oid, 'MEMBER', 'role', '', r.role_name, r.role_name, '', bool_or(m.admin_option),
        string_agg(DISTINCT quote_ident(g.rolname), ', '),
        CASE WHEN bool_or(m.inherit_option OR m.set_option) THEN 'member' ELSE 'admin option alone' END, '', false, 1, NULL, NULL, NULL,
        NULL, 'role', '', r.role_name, r.role_name
    FROM sync_roles.memberships AS m
    JOIN roles AS r ON r.oid = m.role_oid
    LEFT JOIN pg_catalog.pg_roles AS g ON g.oid = m.grantor_oid
    GROUP BY m.member_oid, r.role_name
),
periods AS MATERIALIZED (
    SELECT p.role_name, p.privilege, p.object_type, coalesce(p.schema_name, '') AS schema_name, p.object_name,
        coalesce(p.column_name, '') AS column_name, p.passes_on, min(lower(p.valid)) AS since,
        (array_agg(p.pass IS NOT NULL ORDER BY lower(p.valid)))[1] AS exact
    FROM sync_roles.access_periods AS p
    WHERE upper_inf(p.valid)
    GROUP BY 1, 2, 3, 4, 5, 6, 7
),
flat AS (
    SELECT r.role_name, r.role_name AS bearer, '' AS via, e.*
    FROM entries AS e
    JOIN roles AS r ON r.oid = e.holder_oid
    UNION ALL
    SELECT r.role_name, i.rolname::text, i.rolname::text, e.*
    FROM entries AS e
    JOIN intermediates AS n ON n.role_oid = e.holder_oid
    JOIN pg_catalog.pg_roles AS i ON i.oid = n.role_oid
    JOIN (SELECT DISTINCT m.role_oid, m.member_oid FROM sync_roles.memberships AS m WHERE m.inherit_option) AS m ON m.role_oid = n.role_oid
    JOIN roles AS r ON r.oid = m.member_oid
    WHERE e.privilege NOT IN ('OWNER', 'MEMBER')
),
held AS MATERIALIZED (
    SELECT row_number() OVER () AS number, f.role_name, f.privilege, f.object_type, f.schema_name, f.object_name, f.column_name,
        f.grantable, coalesce(f.grantors, '') AS grantors, f.means, f.through, f.possible, f.objects, f.via, f.schema_oid, f.code_class_oid,
        f.code_oid, f.code_privilege, f.code_type, f.code_schema, f.code_name, f.code_own_name, f.code_column,
        CASE WHEN f.via = '' OR m.since IS NOT NULL THEN greatest(p.since, m.since) END AS since,
        p.exact AND coalesce(m.exact, true) AS exact
    FROM (
        SELECT f.role_name, f.bearer, f.via, f.privilege, f.object_type, f.schema_name, f.object_name, f.column_name, f.grantable,
            f.grantors, f.means, f.through, f.possible, f.objects, f.schema_oid, f.code_class_oid, f.code_oid, f.code_type, f.code_schema,
            f.code_name, f.code_own_name, coalesce(f.code_privilege, f.privilege) AS code_privilege,
            -- On which column of the code, holders does not say.
            CASE f.means WHEN 'code' THEN '' ELSE f.column_name END AS code_column
        FROM flat AS f
    ) AS f
    LEFT JOIN periods AS p ON NOT p.passes_on AND f.means IN ('granted', 'owner', 'member', 'code') AND p.role_name = f.bearer
        AND p.privilege = CASE f.means WHEN 'owner' THEN 'OWNER' ELSE f.code_privilege END AND p.object_type = f.code_type
        AND p.schema_name = f.code_schema AND p.object_name = f.code_name
        AND p.column_name = CASE f.means WHEN 'owner' THEN '' ELSE f.code_column END
    LEFT JOIN periods AS m ON m.passes_on AND p.since IS NOT NULL AND m.role_name = f.role_name AND m.object_name = f.via
),
edges AS MATERIALIZED (
    SELECT u.role_name AS member_name, r.role_name, bool_or(m.inherit_option) AS inherits, bool_or(m.set_option) AS sets
    FROM sync_roles.memberships AS m
    JOIN roles AS u ON u.oid = m.member_oid
    JOIN roles AS r ON r.oid = m.role_oid
    WHERE m.inherit_option OR m.set_option
    GROUP BY 1, 2
    UNION ALL
    -- The owner of the database is a member without any GRANT (roles_is_member_of in acl.c).
    SELECT u.rolname::text, o.rolname::text, u.rolinherit OR current_setting('server_version_num')::integer >= 160000, true
    FROM pg_catalog.pg_database AS d
    JOIN pg_catalog.pg_roles AS u ON u.oid = d.datdba
    JOIN pg_catalog.pg_roles AS o ON o.rolname = 'pg_database_owner'
    WHERE d.datname = current_database()
)
