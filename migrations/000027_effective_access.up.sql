-- Effective access: who can do what through code, too. PostgreSQL checks the relations that a view, a rule or the body of a function names with
-- what it has noted of them when it was made: the same notes are read here, out of pg_rewrite.ev_action and pg_proc.prosqlbody.

-- What code does with an object: as which user PostgreSQL checks it (0: whoever runs the code), and whether the code works without it.
CREATE TYPE sync_roles.need AS (
    as_user oid,
    class_oid oid,
    object_oid oid,
    privilege text,
    columns smallint[],
    one_column boolean,
    soft boolean
);

COMMENT ON TYPE sync_roles.need IS
    'Internal. A privilege that code needs: as which user (0: whoever runs it), on which columns (none: any one; 0: the whole row), whether '
    'one of these is enough, and whether the code works without it.';

-- Names in a tree have their spaces escaped, and constants are numbers: none of them looks like a field.
CREATE FUNCTION sync_roles.relations_in(tree text) RETURNS TABLE (relation_oid oid, privilege text, columns smallint[], place bigint)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT split_part(p.piece, ' ', 1)::oid, k.privilege, ARRAY(
            SELECT (b.bit::integer - 7)::smallint
            FROM unnest(string_to_array(ltrim(k.bits), ' ')) AS b (bit)
            WHERE b.bit::integer >= 7
            ORDER BY 1
        ), p.place
    FROM unnest((string_to_array(tree, ' :relid '))[2:]) WITH ORDINALITY AS p (piece, place)
    CROSS JOIN LATERAL (
        SELECT substring(p.piece FROM ':requiredPerms ([0-9]+)')::integer AS required
        OFFSET 0
    ) AS r
    CROSS JOIN LATERAL (VALUES
        (2, 'SELECT', substring(p.piece FROM ':selectedCols [(]b([ 0-9]*)[)]')),
        (1, 'INSERT', substring(p.piece FROM ':insertedCols [(]b([ 0-9]*)[)]')),
        (4, 'UPDATE', substring(p.piece FROM ':updatedCols [(]b([ 0-9]*)[)]')),
        (8, 'DELETE', ''),
        (16, 'TRUNCATE', '')
    ) AS k (bit, privilege, bits)
    WHERE r.required & k.bit <> 0
$$;

COMMENT ON FUNCTION sync_roles.relations_in(text) IS
    'Internal. The relations that a pg_node_tree names, with the privileges and columns (0: the whole row) for which PostgreSQL checks them.';

CREATE FUNCTION sync_roles.functions_in(tree text) RETURNS SETOF oid
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.oid
    FROM (
        SELECT (regexp_matches(tree, ' :(?:funcid|aggfnoid|winfnoid) ([0-9]+) ', 'g'))[1]::oid AS oid
        UNION
        SELECT o.oprcode::oid
        FROM regexp_matches(tree, ' :opno ([1-9][0-9]{4,9}) ', 'g') AS m (found)
        JOIN pg_catalog.pg_operator AS o ON o.oid = m.found[1]::oid
    ) AS f
    JOIN pg_catalog.pg_proc AS p ON p.oid = f.oid
    -- PostgreSQL's own may be executed by all, but for a few.
    WHERE p.oid >= 16384 OR p.proacl IS NOT NULL
$$;

COMMENT ON FUNCTION sync_roles.functions_in(text) IS
    'Internal. The functions that a pg_node_tree calls, but for PostgreSQL''s own that everybody may execute.';

CREATE FUNCTION sync_roles.is_invoker(options text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN EXISTS (
    SELECT
    FROM unnest(options) AS o (option)
    WHERE lower(split_part(o.option, '=', 1)) = 'security_invoker' AND lower(split_part(o.option, '=', 2)) IN ('true', 'on', 'yes', '1')
);

COMMENT ON FUNCTION sync_roles.is_invoker(text[]) IS 'Internal. Whether a view with these pg_class.reloptions is security_invoker.';

-- Where INSERT, UPDATE or DELETE on a view goes, if it goes on to one relation without a rule or a trigger: that relation, and its columns that
-- the view shows.
CREATE FUNCTION sync_roles.written_through(view_oid oid, privilege text) RETURNS TABLE (relation_oid oid, columns smallint[])
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT b.relation_oid, ARRAY(
            SELECT DISTINCT t.found[1]::smallint
            FROM pg_catalog.pg_attribute AS a
            CROSS JOIN LATERAL regexp_matches(b.tree, ' :resno ' || a.attnum || ' :resname [^ ]+ :ressortgroupref [0-9]+ :resorigtbl '
                || b.relation_oid || ' :resorigcol ([1-9][0-9]*) ', 'g') AS t (found)
            WHERE a.attrelid = view_oid AND a.attnum > 0 AND NOT a.attisdropped
            ORDER BY 1
        )
    FROM (
        SELECT r.relation_oid, w.ev_action::text AS tree
        FROM pg_catalog.pg_rewrite AS w
        CROSS JOIN LATERAL sync_roles.relations_in(w.ev_action::text) AS r
        WHERE w.ev_class = view_oid AND w.ev_type = '1'
        ORDER BY r.place
        LIMIT 1
    ) AS b
    WHERE privilege IN ('INSERT', 'UPDATE', 'DELETE')
        AND pg_relation_is_updatable(view_oid, true)
            & CASE privilege WHEN 'UPDATE' THEN 4 WHEN 'INSERT' THEN 8 ELSE 16 END <> 0
        AND NOT EXISTS (
            SELECT
            FROM pg_catalog.pg_rewrite AS w
            WHERE w.ev_class = view_oid AND w.is_instead AND w.ev_enabled <> 'D' AND w.ev_qual::text = '<>'
                AND w.ev_type = CASE privilege WHEN 'UPDATE' THEN '2' WHEN 'INSERT' THEN '3' ELSE '4' END::"char"
        )
        -- INSTEAD OF (64), for each row.
        AND NOT EXISTS (
            SELECT
            FROM pg_catalog.pg_trigger AS t
            WHERE t.tgrelid = view_oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 64 <> 0
                AND t.tgtype & CASE privilege WHEN 'UPDATE' THEN 16 WHEN 'INSERT' THEN 4 ELSE 8 END <> 0
        )
$$;

COMMENT ON FUNCTION sync_roles.written_through(oid, text) IS
    'Internal. The relation that INSERT, UPDATE or DELETE on an automatically updatable view goes on to, and its columns that the view shows.';

-- Each view, rule and function is looked into with the user as which PostgreSQL checks what is in it: the owner's rights of a view or a rule end at
-- functions, which run as whoever runs the statement, or as the owner of the SECURITY DEFINER function that it is in.
CREATE FUNCTION sync_roles.needs(class_oid oid, object_oid oid, privilege text) RETURNS SETOF sync_roles.need
LANGUAGE sql STABLE
ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE found (as_user, runner, class_oid, object_oid, privilege, columns, one_column, soft, depth) AS (
        SELECT 0::oid, 0::oid, needs.class_oid, needs.object_oid, needs.privilege, '{}'::smallint[], false, false, 0
        UNION
        SELECT n.as_user, n.runner, x.class_oid, x.object_oid, x.privilege, x.columns, x.one_column, n.soft, 1
        FROM found AS f
        CROSS JOIN LATERAL (
            SELECT w.ev_action::text AS tree,
                CASE WHEN c.relkind = 'v' AND w.ev_type = '1' AND sync_roles.is_invoker(c.reloptions) THEN f.as_user
                    ELSE c.relowner END AS as_user,
                CASE c.relkind WHEN 'm' THEN c.relowner ELSE f.runner END AS runner,
                -- What a materialized view has stays there.
                f.soft OR c.relkind = 'm' AS soft,
                NULL::oid AS through
            FROM pg_catalog.pg_class AS c
            JOIN pg_catalog.pg_rewrite AS w ON w.ev_class = c.oid AND w.ev_enabled <> 'D'
            WHERE f.class_oid = 'pg_catalog.pg_class'::regclass AND c.oid = f.object_oid
                AND w.ev_type = CASE f.privilege WHEN 'SELECT' THEN '1' WHEN 'UPDATE' THEN '2' WHEN 'INSERT' THEN '3' WHEN 'DELETE' THEN '4'
                    END::"char"
            UNION ALL
            SELECT NULL, CASE WHEN sync_roles.is_invoker(c.reloptions) THEN f.as_user ELSE c.relowner END, f.runner, f.soft, c.oid
            FROM pg_catalog.pg_class AS c
            WHERE f.class_oid = 'pg_catalog.pg_class'::regclass AND c.oid = f.object_oid AND c.relkind = 'v'
                AND f.privilege IN ('INSERT', 'UPDATE', 'DELETE')
            UNION ALL
            -- A function that a view calls with its reader's rights is not looked into: it gives nothing.
            SELECT p.prosqlbody::text, CASE WHEN p.prosecdef THEN p.proowner ELSE f.runner END,
                CASE WHEN p.prosecdef THEN p.proowner ELSE f.runner END, f.soft OR f.depth > 0, NULL
            FROM pg_catalog.pg_proc AS p
            WHERE f.class_oid = 'pg_catalog.pg_proc'::regclass AND p.oid = f.object_oid AND p.prosqlbody IS NOT NULL
                AND (p.prosecdef OR f.runner <> 0)
        ) AS n
        CROSS JOIN LATERAL (
            SELECT 'pg_catalog.pg_class'::regclass::oid AS class_oid, r.relation_oid AS object_oid, r.privilege, r.columns, false AS one_column
            FROM sync_roles.relations_in(n.tree) AS r
            UNION ALL
            SELECT 'pg_catalog.pg_class'::regclass, t.relation_oid, f.privilege, t.columns, f.privilege <> 'DELETE'
            FROM sync_roles.written_through(n.through, f.privilege) AS t
            UNION ALL
            SELECT 'pg_catalog.pg_proc'::regclass, p.oid, 'EXECUTE', '{}', false
            FROM sync_roles.functions_in(n.tree) AS p (oid)
        ) AS x
    )
    SELECT DISTINCT ROW(CASE f.class_oid WHEN 'pg_catalog.pg_proc'::regclass THEN f.runner ELSE f.as_user END, f.class_oid, f.object_oid,
        f.privilege, f.columns, f.one_column, f.soft)::sync_roles.need
    FROM found AS f
    WHERE f.depth > 0
$$;

COMMENT ON FUNCTION sync_roles.needs(oid, oid, text) IS
    'Internal. What runs when somebody uses this privilege on this object (a view, a relation with rules, a SECURITY DEFINER function) does '
    'with other objects, and as which user: all the way down.';

-- Like ExecCheckOneRelPerms in execMain.c.
CREATE FUNCTION sync_roles.is_met(role_oid oid, need sync_roles.need) RETURNS boolean
LANGUAGE sql STABLE
RETURN coalesce(CASE
    WHEN (need).class_oid = 'pg_catalog.pg_proc'::regclass THEN has_function_privilege(role_oid, (need).object_oid, 'EXECUTE')
    WHEN has_table_privilege(role_oid, (need).object_oid, (need).privilege) THEN true
    WHEN (need).privilege NOT IN ('SELECT', 'INSERT', 'UPDATE') THEN false
    WHEN cardinality((need).columns) = 0 THEN has_any_column_privilege(role_oid, (need).object_oid, (need).privilege)
    ELSE (
        SELECT CASE WHEN (need).one_column THEN bool_or(h.has) ELSE bool_and(h.has) END
        FROM pg_catalog.pg_attribute AS a
        CROSS JOIN LATERAL (SELECT has_column_privilege(role_oid, a.attrelid, a.attnum, (need).privilege) AS has) AS h
        WHERE a.attrelid = (need).object_oid AND a.attnum > 0 AND NOT a.attisdropped
            AND (a.attnum = ANY ((need).columns) OR 0 = ANY ((need).columns))
    )
END, false);

COMMENT ON FUNCTION sync_roles.is_met(oid, sync_roles.need) IS 'Internal. Whether a role (0: PUBLIC) has what code needs, without SET ROLE.';

CREATE FUNCTION sync_roles.needs_of_caller(class_oid oid, object_oid oid, privilege text) RETURNS sync_roles.need[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN coalesce(bool_and(n.as_user = 0 OR n.soft OR sync_roles.is_met(n.as_user, n)), true) THEN
        coalesce(array_agg(n::sync_roles.need) FILTER (WHERE n.as_user = 0 AND NOT n.soft), '{}')
    END
    FROM sync_roles.needs(class_oid, object_oid, privilege) AS n
$$;

COMMENT ON FUNCTION sync_roles.needs_of_caller(oid, oid, text) IS
    'Internal. What a role must have for itself, beside this privilege, to use it; NULL if nobody can use it, as an owner lacks something.';

CREATE FUNCTION sync_roles.are_met(role_oid oid, needs sync_roles.need[]) RETURNS boolean
LANGUAGE sql STABLE
RETURN needs IS NOT NULL AND (
    cardinality(needs) = 0
    OR (SELECT bool_and(sync_roles.is_met(role_oid, n::sync_roles.need)) FROM unnest(needs) AS n)
);

COMMENT ON FUNCTION sync_roles.are_met(oid, sync_roles.need[]) IS 'Internal. Whether a role has all of this.';

-- Who has a privilege on a relation or a function by its ACL, those of its columns, or a predefined role.
CREATE FUNCTION sync_roles.entries_of(class_oid oid, object_oid oid, privilege text) RETURNS TABLE (holder_oid oid, on_columns boolean)
LANGUAGE sql STABLE
ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT a.grantee, false
    FROM pg_catalog.pg_class AS c
    CROSS JOIN LATERAL aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) AS a
    WHERE class_oid = 'pg_catalog.pg_class'::regclass AND c.oid = object_oid AND a.privilege_type = entries_of.privilege
    UNION
    SELECT a.grantee, false
    FROM pg_catalog.pg_proc AS p
    CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
    WHERE class_oid = 'pg_catalog.pg_proc'::regclass AND p.oid = object_oid AND a.privilege_type = entries_of.privilege
    UNION
    SELECT a.grantee, true
    FROM pg_catalog.pg_attribute AS c
    CROSS JOIN LATERAL aclexplode(c.attacl) AS a
    WHERE class_oid = 'pg_catalog.pg_class'::regclass AND c.attrelid = object_oid AND c.attacl IS NOT NULL AND NOT c.attisdropped
        AND a.privilege_type = entries_of.privilege
    UNION
    SELECT r.oid, false
    FROM pg_catalog.pg_roles AS r
    WHERE class_oid = 'pg_catalog.pg_class'::regclass
        AND (r.rolname = 'pg_read_all_data' AND privilege = 'SELECT'
            OR r.rolname = 'pg_write_all_data' AND privilege IN ('INSERT', 'UPDATE', 'DELETE'))
$$;

COMMENT ON FUNCTION sync_roles.entries_of(oid, oid, text) IS
    'Internal. The roles (0: PUBLIC) that have a privilege on a relation or a function by ACL entries, on the whole of it or on columns of it.';

CREATE FUNCTION sync_roles.code_text(class_oid oid, object_oid oid, privilege text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
            WHEN c.relkind = 'v' AND code_text.privilege = 'SELECT' THEN 'view '
            WHEN c.relkind = 'v' THEN code_text.privilege || ' on view '
            WHEN c.relkind = 'm' THEN 'materialized view '
            ELSE 'rules for ' || code_text.privilege || ' on table '
        END || n.nspname || '.' || c.relname || ', owned by ' || r.rolname
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_roles AS r ON r.oid = c.relowner
    WHERE class_oid = 'pg_catalog.pg_class'::regclass AND c.oid = object_oid
    UNION ALL
    SELECT 'function ' || n.nspname || '.' || sync_roles.signature(p.proname, p.proargtypes) || ', owned by ' || r.rolname
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    JOIN pg_catalog.pg_roles AS r ON r.oid = p.proowner
    WHERE class_oid = 'pg_catalog.pg_proc'::regclass AND p.oid = object_oid
$$;

COMMENT ON FUNCTION sync_roles.code_text(oid, oid, text) IS 'Internal. A view, relation with rules, or function, in words.';

-- Code that names an object, or names what names it; with the privilege that runs it. Code that depends on nothing reads nothing.
CREATE FUNCTION sync_roles.code_about(class_oid oid, object_oid oid) RETURNS TABLE (class_oid oid, object_oid oid, privilege text)
LANGUAGE sql STABLE
ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE above (class_oid, object_oid) AS (
        SELECT code_about.class_oid, code_about.object_oid
        UNION
        SELECT u.class_oid, u.object_oid
        FROM above AS a
        CROSS JOIN LATERAL (
            SELECT CASE d.classid WHEN 'pg_catalog.pg_rewrite'::regclass THEN 'pg_catalog.pg_class'::regclass::oid ELSE d.classid END
                    AS class_oid,
                coalesce(w.ev_class, d.objid) AS object_oid
            FROM pg_catalog.pg_depend AS d
            LEFT JOIN pg_catalog.pg_rewrite AS w ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND w.oid = d.objid
            WHERE d.refclassid = a.class_oid AND d.refobjid = a.object_oid
                AND d.classid IN ('pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_proc'::regclass)
            OFFSET 0
        ) AS u
    )
    SELECT a.class_oid, a.object_oid, k.privilege
    FROM above AS a
    JOIN pg_catalog.pg_class AS c ON c.oid = a.object_oid AND c.relhasrules
    CROSS JOIN LATERAL (
        SELECT CASE w.ev_type WHEN '1' THEN 'SELECT' WHEN '2' THEN 'UPDATE' WHEN '3' THEN 'INSERT' WHEN '4' THEN 'DELETE' END AS privilege
        FROM pg_catalog.pg_rewrite AS w
        WHERE w.ev_class = c.oid AND w.ev_enabled <> 'D'
        UNION
        SELECT unnest('{INSERT,UPDATE,DELETE}'::text[])
        WHERE c.relkind = 'v'
    ) AS k
    WHERE a.class_oid = 'pg_catalog.pg_class'::regclass
    UNION ALL
    SELECT a.class_oid, a.object_oid, 'EXECUTE'
    FROM above AS a
    JOIN pg_catalog.pg_proc AS p ON p.oid = a.object_oid AND p.prosecdef
    WHERE a.class_oid = 'pg_catalog.pg_proc'::regclass
$$;

COMMENT ON FUNCTION sync_roles.code_about(oid, oid) IS
    'Internal. The views, relations with rules and SECURITY DEFINER functions that may do something with an object, all the way up, and the '
    'privilege that makes them do it.';

CREATE FUNCTION sync_roles.holders_by_code(class_oid oid, object_oid oid) RETURNS TABLE (
    column_name text, privilege text, holder_oid oid, through text, possible boolean, code_class_oid oid, code_oid oid, code_privilege text
)
LANGUAGE sql STABLE
ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
    WITH given AS (
        SELECT k.class_oid, k.object_oid, k.privilege AS code_privilege, n.privilege, c.column_name,
            -- What a materialized view read in the past, or a function called by another, may be out of reach now.
            bool_and(n.soft AND NOT m.met
                -- That it locks rows, or counts them, or writes defaults alone, says nothing about columns.
                OR cardinality(n.columns) = 0 AND n.privilege IN ('SELECT', 'INSERT', 'UPDATE')) AS possible
        FROM sync_roles.code_about(holders_by_code.class_oid, holders_by_code.object_oid) AS k
        CROSS JOIN LATERAL (
            SELECT n.*
            FROM (
                SELECT array_agg(n::sync_roles.need) AS list,
                    bool_and(n.as_user = 0 OR n.soft OR sync_roles.is_met(n.as_user, n::sync_roles.need)) AS works
                FROM sync_roles.needs(k.class_oid, k.object_oid, k.privilege) AS n
            ) AS w
            CROSS JOIN LATERAL unnest(w.list) AS n
            WHERE w.works
        ) AS n
        CROSS JOIN LATERAL (SELECT sync_roles.is_met(n.as_user, n::sync_roles.need) AS met) AS m
        CROSS JOIN LATERAL (
            SELECT a.attname::text AS column_name
            FROM pg_catalog.pg_attribute AS a
            WHERE cardinality(n.columns) > 0 AND 0 <> ALL (n.columns) AND a.attrelid = n.object_oid AND a.attnum = ANY (n.columns)
                AND (NOT n.one_column OR has_column_privilege(n.as_user, a.attrelid, a.attnum, n.privilege))
                AND EXISTS (
                    SELECT
                    FROM pg_catalog.pg_attribute AS o
                    WHERE o.attrelid = n.object_oid AND o.attnum > 0 AND NOT o.attisdropped
                        AND (o.attnum <> ALL (n.columns)
                            OR n.one_column AND NOT has_column_privilege(n.as_user, o.attrelid, o.attnum, n.privilege))
                )
            UNION ALL
            SELECT NULL
            WHERE cardinality(n.columns) = 0 OR 0 = ANY (n.columns) OR NOT EXISTS (
                SELECT
                FROM pg_catalog.pg_attribute AS o
                WHERE o.attrelid = n.object_oid AND o.attnum > 0 AND NOT o.attisdropped
                    AND (o.attnum <> ALL (n.columns)
                        OR n.one_column AND NOT has_column_privilege(n.as_user, o.attrelid, o.attnum, n.privilege))
            )
        ) AS c
        WHERE n.as_user <> 0 AND n.class_oid = holders_by_code.class_oid AND n.object_oid = holders_by_code.object_oid
            AND (k.class_oid, k.object_oid) <> (n.class_oid, n.object_oid)
            -- Rows that a view's query locks are not written.
            AND NOT (n.privilege = 'UPDATE' AND k.privilege = 'SELECT')
        GROUP BY 1, 2, 3, 4, 5
    )
    SELECT g.column_name, g.privilege, e.holder_oid, sync_roles.code_text(g.class_oid, g.object_oid, g.code_privilege),
        g.possible OR bool_and(e.on_columns), g.class_oid, g.object_oid, g.code_privilege
    FROM given AS g
    CROSS JOIN LATERAL sync_roles.entries_of(g.class_oid, g.object_oid, g.code_privilege) AS e
    GROUP BY 1, 2, 3, 4, g.possible, 6, 7, 8
$$;

COMMENT ON FUNCTION sync_roles.holders_by_code(oid, oid) IS
    'Internal. The roles (0: PUBLIC) that have privileges on an object through views, rules and SECURITY DEFINER functions whose body is known.';

CREATE VIEW sync_roles.holders AS
SELECT o.object_type, o.class_oid, o.object_oid, NULL::text AS column_name, a.privilege, a.holder_oid, a.grantable,
    NULL::text AS through, false AS possible, o.class_oid AS code_class_oid, o.object_oid AS code_oid, a.privilege AS code_privilege
FROM sync_roles.objects AS o
CROSS JOIN LATERAL (
    SELECT a.privilege_type AS privilege, a.grantee AS holder_oid, bool_or(a.is_grantable) AS grantable
    FROM aclexplode(o.acl) AS a
    GROUP BY 1, 2
) AS a
-- A parameter on which nothing was ever granted has no ACL, not even an owner's.
WHERE o.object_oid <> 0
UNION ALL
SELECT o.object_type, o.class_oid, o.object_oid, c.attname::text, a.privilege, a.holder_oid, a.grantable,
    NULL, false, o.class_oid, o.object_oid, a.privilege
FROM sync_roles.objects AS o
JOIN pg_catalog.pg_attribute AS c ON c.attrelid = o.object_oid AND c.attacl IS NOT NULL AND NOT c.attisdropped
CROSS JOIN LATERAL (
    SELECT a.privilege_type AS privilege, a.grantee AS holder_oid, bool_or(a.is_grantable) AS grantable
    FROM aclexplode(sync_roles.unpacked(c.attacl)) AS a
    GROUP BY 1, 2
) AS a
WHERE o.object_type = 'table'
UNION ALL
-- What predefined roles have on everything: pg_class_aclmask_ext, pg_largeobject_aclmask_snapshot and pg_namespace_aclmask_ext in aclchk.c.
SELECT o.object_type, o.class_oid, o.object_oid, NULL, v.privilege, r.oid, false, NULL, false, o.class_oid, o.object_oid, v.privilege
FROM (VALUES
    ('table', 'SELECT', 'pg_read_all_data', 0), ('sequence', 'SELECT', 'pg_read_all_data', 0),
    ('property_graph', 'SELECT', 'pg_read_all_data', 190000), ('large_object', 'SELECT', 'pg_read_all_data', 190000),
    ('schema', 'USAGE', 'pg_read_all_data', 0), ('schema', 'USAGE', 'pg_write_all_data', 0),
    ('table', 'INSERT', 'pg_write_all_data', 0), ('table', 'UPDATE', 'pg_write_all_data', 0), ('table', 'DELETE', 'pg_write_all_data', 0),
    ('sequence', 'INSERT', 'pg_write_all_data', 0), ('sequence', 'UPDATE', 'pg_write_all_data', 0),
    ('sequence', 'DELETE', 'pg_write_all_data', 0), ('large_object', 'UPDATE', 'pg_write_all_data', 190000),
    ('table', 'MAINTAIN', 'pg_maintain', 170000)
) AS v (object_type, privilege, role_name, since)
JOIN pg_catalog.pg_roles AS r ON r.rolname = v.role_name
JOIN sync_roles.objects AS o ON o.object_type = v.object_type
WHERE current_setting('server_version_num')::integer >= v.since
    AND v.privilege = ANY (sync_roles.privileges_of(v.object_type))
UNION ALL
SELECT o.object_type, o.class_oid, o.object_oid, h.column_name, h.privilege, h.holder_oid, false, h.through, h.possible,
    h.code_class_oid, h.code_oid, h.code_privilege
FROM sync_roles.objects AS o
CROSS JOIN LATERAL sync_roles.holders_by_code(o.class_oid, o.object_oid) AS h
WHERE o.object_type IN ('table', 'sequence', 'routine') AND EXISTS (
    SELECT
    FROM pg_catalog.pg_depend AS d
    WHERE d.refclassid = o.class_oid AND d.refobjid = o.object_oid AND d.deptype = 'n'
        AND d.classid IN ('pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_proc'::regclass)
);

COMMENT ON VIEW sync_roles.holders IS
    'The roles such that whoever has their privileges has a privilege on an object: by an ACL entry, as a predefined role, or through code. '
    'Superusers are not listed: they have all. Ask for an object.';
COMMENT ON COLUMN sync_roles.holders.object_type IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.holders.class_oid IS 'The catalog that the object is in.';
COMMENT ON COLUMN sync_roles.holders.object_oid IS 'The object.';
COMMENT ON COLUMN sync_roles.holders.column_name IS 'The column on which alone it has the privilege; NULL: the object.';
COMMENT ON COLUMN sync_roles.holders.privilege IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.holders.holder_oid IS 'The role; 0 is PUBLIC.';
COMMENT ON COLUMN sync_roles.holders.grantable IS 'With the grant option.';
COMMENT ON COLUMN sync_roles.holders.through IS 'The code through which it has the privilege, in words; NULL: none.';
COMMENT ON COLUMN sync_roles.holders.possible IS 'Whether the code does it cannot be told from here.';
COMMENT ON COLUMN sync_roles.holders.code_class_oid IS 'The catalog that the code is in, or the object itself.';
COMMENT ON COLUMN sync_roles.holders.code_oid IS
    'The view, relation with rules, or function on which the role has code_privilege; without code, the object.';
COMMENT ON COLUMN sync_roles.holders.code_privilege IS 'The privilege that the role has on the code, by which it runs; without code, privilege.';

UPDATE sync_roles.installation SET schema_version = 27;
