-- Effective access: who can do what through code, too. What PostgreSQL checks when a view, a rule or the body of a function runs, it has
-- noted where it keeps that code, pg_rewrite.ev_action and pg_proc.prosqlbody: the same notes are read here.

CREATE TYPE sync_roles.need AS (
    as_user oid,
    class_oid oid,
    object_oid oid,
    privilege text,
    columns smallint[],
    unsure smallint[],
    one_column boolean,
    soft boolean,
    policy_oid oid,
    by_caller boolean
);

COMMENT ON TYPE sync_roles.need IS
    'Internal. A privilege that code needs: as which user (0: whoever runs it), on which columns (none: any one; 0: the whole row), of '
    'which of these it may not show what is in them, whether one of them is enough, whether the code works without it, for the sake of '
    'which policy, and whether only because whoever runs the code has a privilege on something between.';

-- Names have their spaces, braces and backslashes escaped, and constants are numbers: without escapes, nothing in them looks like a field.
CREATE FUNCTION sync_roles.plain_tree(tree text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN replace(replace(replace(replace(tree, chr(92) || chr(92), '__'), chr(92) || ' ', '_'), chr(92) || '{', '_'), chr(92) || '}', '_');

COMMENT ON FUNCTION sync_roles.plain_tree(text) IS 'Internal. A pg_node_tree in which no name looks like a field.';

CREATE FUNCTION sync_roles.relations_in(tree text) RETURNS TABLE (relation_oid oid, privilege text, columns smallint[], place bigint)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
ROWS 3
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT split_part(p.piece, ' ', 1)::oid, k.privilege, ARRAY(
            SELECT (b.bit::integer - 7)::smallint
            FROM unnest(string_to_array(ltrim(k.bits), ' ')) AS b (bit)
            WHERE b.bit::integer >= 7
            ORDER BY 1
        ), p.place
    FROM unnest((string_to_array(sync_roles.plain_tree(tree), ' :relid '))[2:]) WITH ORDINALITY AS p (piece, place)
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
    WHERE r.required & k.bit <> 0;
END
$$;

COMMENT ON FUNCTION sync_roles.relations_in(text) IS
    'Internal. The relations that a pg_node_tree names, with the privileges and columns (0: the whole row) that PostgreSQL checks.';

CREATE FUNCTION sync_roles.functions_in(tree text) RETURNS SETOF oid
LANGUAGE plpgsql STABLE PARALLEL SAFE
ROWS 3
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT p.oid
    FROM (
        SELECT (regexp_matches(sync_roles.plain_tree(tree), ' :(?:funcid|aggfnoid|winfnoid) ([0-9]+)(?= )', 'g'))[1]::oid AS oid
        UNION
        SELECT o.oprcode::oid
        FROM regexp_matches(sync_roles.plain_tree(tree), ' :opno ([1-9][0-9]{4,9})(?= )', 'g') AS m (found)
        JOIN pg_catalog.pg_operator AS o ON o.oid = m.found[1]::oid
    ) AS f
    JOIN pg_catalog.pg_proc AS p ON p.oid = f.oid
    -- PostgreSQL's own may be executed by all, but for a few.
    WHERE p.oid >= 16384 OR p.proacl IS NOT NULL;
END
$$;

COMMENT ON FUNCTION sync_roles.functions_in(text) IS
    'Internal. The functions that a pg_node_tree calls, but for PostgreSQL''s own that everybody may execute.';

CREATE FUNCTION sync_roles.origins_in(tree text) RETURNS TABLE (view_column smallint, relation_oid oid, relation_column smallint)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT split_part(p.piece, ' ', 1)::smallint, o.found[1]::oid, o.found[2]::smallint
    FROM (
        SELECT p.piece, sum(length(replace(p.piece, '}', '')) - length(replace(p.piece, '{', '')))
            OVER (ORDER BY p.place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS depth
        FROM unnest(string_to_array(sync_roles.plain_tree(tree), ' :resno ')) WITH ORDINALITY AS p (piece, place)
    ) AS p
    CROSS JOIN LATERAL (
        SELECT regexp_match(p.piece, ' :ressortgroupref [0-9]+ :resorigtbl ([0-9]+) :resorigcol ([0-9]+) :resjunk false') AS found
        OFFSET 0
    ) AS o
    -- In the list of the query itself, not of one inside of it.
    WHERE p.depth = 2 AND o.found[1] <> '0';
END
$$;

COMMENT ON FUNCTION sync_roles.origins_in(text) IS
    'Internal. The columns of relations (0: the whole row) that the columns of a query show as they are.';

CREATE FUNCTION sync_roles.is_invoker(options text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN EXISTS (
    SELECT
    FROM unnest(options) AS o (option)
    WHERE starts_with(o.option, 'security_invoker=') AND split_part(o.option, '=', 2)::boolean
);

COMMENT ON FUNCTION sync_roles.is_invoker(text[]) IS 'Internal. Whether a view with these pg_class.reloptions is security_invoker.';

-- The manual: "Updatable Views". A rule or trigger INSTEAD OF the statement ends it there.
CREATE FUNCTION sync_roles.written_through(view_oid oid, privilege text, of_columns smallint[])
RETURNS TABLE (relation_oid oid, columns smallint[])
LANGUAGE plpgsql STABLE
ROWS 1
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT b.relation_oid, ARRAY(
            SELECT DISTINCT o.relation_column
            FROM sync_roles.origins_in(b.tree) AS o
            WHERE o.relation_oid = b.relation_oid AND o.relation_column > 0 AND privilege <> 'DELETE'
                AND (0 = ANY (of_columns) OR o.view_column = ANY (of_columns))
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
    WHERE written_through.privilege IN ('INSERT', 'UPDATE', 'DELETE')
        AND pg_relation_is_updatable(view_oid, true)
            & CASE privilege WHEN 'UPDATE' THEN 4 WHEN 'INSERT' THEN 8 ELSE 16 END <> 0
        AND NOT EXISTS (
            SELECT
            FROM pg_catalog.pg_rewrite AS w
            WHERE w.ev_class = view_oid AND w.is_instead AND w.ev_enabled <> 'D' AND w.ev_qual::text = '<>'
                AND w.ev_type = CASE privilege WHEN 'UPDATE' THEN '2' WHEN 'INSERT' THEN '3' ELSE '4' END::"char"
        )
        AND NOT EXISTS (
            SELECT
            FROM pg_catalog.pg_trigger AS t
            WHERE t.tgrelid = view_oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 64 <> 0
                AND t.tgtype & CASE privilege WHEN 'UPDATE' THEN 16 WHEN 'INSERT' THEN 4 ELSE 8 END <> 0
        );
END
$$;

COMMENT ON FUNCTION sync_roles.written_through(oid, text, smallint[]) IS
    'Internal. The relation that INSERT, UPDATE or DELETE on an automatically updatable view goes on to, and which of its columns are '
    'written by these columns of the view (0: by all).';

-- Like get_row_security_policies in rowsecurity.c.
CREATE FUNCTION sync_roles.is_bound(role_oid oid, policy_oid oid) RETURNS boolean
LANGUAGE sql STABLE
RETURN EXISTS (
    SELECT
    FROM pg_catalog.pg_policy AS p
    JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid
    LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = role_oid
    WHERE p.oid = policy_oid AND c.relrowsecurity AND r.rolsuper IS NOT TRUE AND r.rolbypassrls IS NOT TRUE
        AND (c.relforcerowsecurity OR r.oid IS NULL OR NOT pg_has_role(role_oid, c.relowner, 'USAGE'))
        AND (0 = ANY (p.polroles) OR r.oid IS NOT NULL AND EXISTS (
            SELECT FROM unnest(p.polroles) AS m (oid) WHERE m.oid <> 0 AND pg_has_role(role_oid, m.oid, 'USAGE')
        ))
);

COMMENT ON FUNCTION sync_roles.is_bound(oid, oid) IS 'Internal. Whether a policy of row-level security applies to a role (0: PUBLIC).';

-- These functions run for each of many objects: planned once, and never compiled, they are fast.

-- Each view, rule and function is looked into with the user as whom PostgreSQL checks its relations. The rights of the owner of a view or a
-- rule end at functions and at security_invoker views: these run as whoever runs the statement, or as the owner of the SECURITY DEFINER
-- function around them.
CREATE FUNCTION sync_roles.needs(class_oid oid, object_oid oid, privilege text, columns smallint[]) RETURNS SETOF sync_roles.need
LANGUAGE plpgsql STABLE
ROWS 10
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH RECURSIVE found (
        as_user, runner, class_oid, object_oid, privilege, columns, unsure, one_column, soft, policy_oid, by_caller, depth
    ) AS (
        SELECT 0::oid, 0::oid, needs.class_oid, needs.object_oid, needs.privilege, needs.columns, '{}'::smallint[], false, false, 0::oid,
            false, 0
        UNION
        SELECT x.as_user, n.runner, x.class_oid, x.object_oid, x.privilege, x.columns, x.unsure, x.one_column, n.soft, n.policy_oid,
            f.by_caller OR f.depth > 0 AND f.as_user = 0, 1
        FROM found AS f
        CROSS JOIN LATERAL (
            SELECT ARRAY(SELECT unnest(f.columns) EXCEPT SELECT unnest(f.unsure)) AS columns
        ) AS s
        CROSS JOIN LATERAL (
            SELECT w.ev_action::text AS tree, w.tableoid AS classid, w.oid AS objid,
                CASE WHEN c.relkind = 'v' AND w.ev_type = '1' AND sync_roles.is_invoker(c.reloptions) THEN f.runner
                    ELSE c.relowner END AS as_user,
                CASE c.relkind WHEN 'm' THEN c.relowner ELSE f.runner END AS runner,
                -- What a materialized view has read stays in it.
                f.soft OR c.relkind = 'm' AS soft,
                f.policy_oid,
                CASE WHEN w.ev_type <> '1' THEN '{}'
                    -- Some of the columns alone do not show a column that is computed or compared.
                    WHEN 0 = ANY (s.columns) OR NOT EXISTS (
                        SELECT
                        FROM pg_catalog.pg_attribute AS a
                        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attnum <> ALL (s.columns)
                    ) THEN '{0}'
                    ELSE s.columns END AS shown,
                NULL::oid AS view_oid
            FROM pg_catalog.pg_class AS c
            JOIN pg_catalog.pg_rewrite AS w ON w.ev_class = c.oid AND w.ev_enabled <> 'D'
            WHERE f.class_oid = 'pg_catalog.pg_class'::regclass AND c.oid = f.object_oid AND c.relhasrules
                AND w.ev_type = CASE f.privilege WHEN 'SELECT' THEN '1' WHEN 'UPDATE' THEN '2' WHEN 'INSERT' THEN '3' WHEN 'DELETE' THEN '4'
                    END::"char"
            UNION ALL
            SELECT NULL, NULL, NULL, CASE WHEN sync_roles.is_invoker(c.reloptions) THEN f.runner ELSE c.relowner END, f.runner, f.soft,
                f.policy_oid, NULL, c.oid
            FROM pg_catalog.pg_class AS c
            WHERE f.class_oid = 'pg_catalog.pg_class'::regclass AND c.oid = f.object_oid AND c.relkind = 'v'
                AND f.privilege IN ('INSERT', 'UPDATE', 'DELETE')
            UNION ALL
            SELECT concat(p.polqual::text, ' ', p.polwithcheck::text), p.tableoid, p.oid, f.as_user, f.runner, f.soft, p.oid, '{0}', NULL
            FROM pg_catalog.pg_class AS c
            JOIN pg_catalog.pg_policy AS p ON p.polrelid = c.oid
                AND (p.polcmd = '*' OR p.polcmd = CASE f.privilege
                    WHEN 'SELECT' THEN 'r' WHEN 'INSERT' THEN 'a' WHEN 'UPDATE' THEN 'w' WHEN 'DELETE' THEN 'd' END::"char")
            WHERE f.class_oid = 'pg_catalog.pg_class'::regclass AND c.oid = f.object_oid AND c.relrowsecurity
                AND f.privilege IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
            UNION ALL
            -- A function that runs with the rights of whoever called it gives nothing.
            SELECT p.prosqlbody::text, p.tableoid, p.oid, CASE WHEN p.prosecdef THEN p.proowner ELSE f.runner END,
                CASE WHEN p.prosecdef THEN p.proowner ELSE f.runner END, f.soft OR f.depth > 0, f.policy_oid,
                -- What it reads, it may write elsewhere.
                CASE WHEN p.prosqlbody::text ~ ' :commandType [2-5] ' THEN '{}'::smallint[] ELSE '{0}' END, NULL
            FROM pg_catalog.pg_proc AS p
            WHERE f.class_oid = 'pg_catalog.pg_proc'::regclass AND p.oid = f.object_oid AND p.prosqlbody IS NOT NULL
                AND (p.prosecdef OR f.runner <> 0)
        ) AS n
        CROSS JOIN LATERAL (
            SELECT n.as_user, 'pg_catalog.pg_class'::regclass::oid AS class_oid, r.relation_oid AS object_oid, r.privilege, r.columns,
                CASE WHEN r.privilege <> 'SELECT' OR 0 = ANY (n.shown) AND n.tree !~ ' :quals [{(]' THEN '{}' ELSE ARRAY(
                    SELECT unnest(r.columns)
                    EXCEPT
                    SELECT o.relation_column
                    FROM sync_roles.origins_in(n.tree) AS o
                    WHERE o.relation_oid = r.relation_oid AND (0 = ANY (n.shown) OR o.view_column = ANY (n.shown))
                ) END AS unsure,
                false AS one_column
            FROM sync_roles.relations_in(n.tree) AS r
            UNION ALL
            SELECT n.as_user, 'pg_catalog.pg_class'::regclass, t.relation_oid, f.privilege, t.columns,
                CASE n.as_user WHEN 0 THEN t.columns ELSE ARRAY(
                    SELECT c.column_no
                    FROM unnest(t.columns) AS c (column_no)
                    WHERE NOT has_column_privilege(n.as_user, t.relation_oid, c.column_no, f.privilege)
                ) END,
                cardinality(t.columns) > 0
            FROM sync_roles.written_through(n.view_oid, f.privilege, s.columns) AS t
            UNION ALL
            SELECT n.runner, 'pg_catalog.pg_proc'::regclass, p.oid, 'EXECUTE', '{}', '{}', false
            FROM sync_roles.functions_in(n.tree) AS p (oid)
            UNION ALL
            -- nextval runs as a function does.
            SELECT n.runner, d.refclassid, d.refobjid, 'USAGE', '{}', '{}', false
            FROM pg_catalog.pg_depend AS d
            JOIN pg_catalog.pg_class AS c ON c.oid = d.refobjid AND c.relkind = 'S'
            WHERE n.tree LIKE '% :funcid 1574 %' AND d.classid = n.classid AND d.objid = n.objid
                AND d.refclassid = 'pg_catalog.pg_class'::regclass
        ) AS x
    )
    SELECT DISTINCT f.as_user, f.class_oid, f.object_oid, f.privilege, f.columns, f.unsure, f.one_column, f.soft, f.policy_oid, f.by_caller
    FROM found AS f
    WHERE f.depth > 0;
END
$$;

COMMENT ON FUNCTION sync_roles.needs(oid, oid, text, smallint[]) IS
    'Internal. What runs when this privilege on these columns (0: all) of this object (a view, a relation with rules, a SECURITY DEFINER '
    'function) is used does with other objects, and as which user: all the way down.';

-- Like ExecCheckOneRelPerms in execMain.c.
CREATE FUNCTION sync_roles.is_met(role_oid oid, need sync_roles.need) RETURNS boolean
LANGUAGE sql STABLE
RETURN coalesce(CASE
    WHEN (need).policy_oid <> 0 AND NOT sync_roles.is_bound(role_oid, (need).policy_oid) THEN true
    WHEN (need).class_oid = 'pg_catalog.pg_proc'::regclass THEN has_function_privilege(role_oid, (need).object_oid, 'EXECUTE')
    WHEN (need).privilege = 'USAGE' THEN has_sequence_privilege(role_oid, (need).object_oid, 'USAGE, UPDATE')
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

COMMENT ON FUNCTION sync_roles.is_met(oid, sync_roles.need) IS
    'Internal. Whether a role (0: PUBLIC) has what code needs, without SET ROLE.';

CREATE FUNCTION sync_roles.needs_of_caller(class_oid oid, object_oid oid, privilege text) RETURNS sync_roles.need[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
    SELECT CASE WHEN coalesce(bool_and((n).as_user = 0 OR (n).soft OR sync_roles.is_met((n).as_user, n)), true) THEN
        coalesce(array_agg(n) FILTER (WHERE NOT (n).soft AND ((n).as_user = 0 OR (n).unsure <> '{}' AND (n).one_column)), '{}')
    END
    FROM (
        SELECT n::sync_roles.need
        FROM sync_roles.needs(class_oid, object_oid, privilege, '{0}') AS n
    ) AS l (n)
    );
END
$$;

COMMENT ON FUNCTION sync_roles.needs_of_caller(oid, oid, text) IS
    'Internal. What a role must have for itself, beside this privilege, to use it, and what owners have on some columns alone; '
    'NULL if no role can use it, as an owner lacks something.';

CREATE FUNCTION sync_roles.are_met(role_oid oid, needs sync_roles.need[]) RETURNS boolean
LANGUAGE sql STABLE
RETURN needs IS NOT NULL AND (
    cardinality(needs) = 0
    OR (SELECT bool_and(n.as_user <> 0 OR sync_roles.is_met(role_oid, n::sync_roles.need)) FROM unnest(needs) AS n)
);

COMMENT ON FUNCTION sync_roles.are_met(oid, sync_roles.need[]) IS 'Internal. Whether a role has all of this.';

CREATE FUNCTION sync_roles.are_met_in_part(role_oid oid, needs sync_roles.need[]) RETURNS boolean
LANGUAGE sql STABLE
RETURN cardinality(needs) > 0 AND EXISTS (
    SELECT
    FROM unnest(needs) AS n
    CROSS JOIN unnest(n.columns) AS c (column_no)
    WHERE n.one_column
        AND has_column_privilege(coalesce(nullif(n.as_user, 0), role_oid), n.object_oid, c.column_no, n.privilege) IS NOT TRUE
);

COMMENT ON FUNCTION sync_roles.are_met_in_part(oid, sync_roles.need[]) IS
    'Internal. Whether a view can be written in some columns alone: on others, the role or an owner lacks the privilege behind it.';

CREATE FUNCTION sync_roles.missing_needs(role_oid oid, class_oid oid, object_oid oid, privilege text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT string_agg(DISTINCT m.text, '; ')
    FROM sync_roles.needs(class_oid, object_oid, missing_needs.privilege, '{0}') AS n
    CROSS JOIN LATERAL (
        SELECT concat(coalesce(r.rolname, 'PUBLIC'), ' has no ', n.privilege, ' on ', CASE WHEN c.oid IS NOT NULL THEN
                concat(CASE c.relkind WHEN 'S' THEN 'sequence ' WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' ELSE 'table ' END,
                    c.relnamespace::regnamespace, '.', quote_ident(c.relname))
                ELSE concat('routine ', f.pronamespace::regnamespace, '.', sync_roles.signature(f.proname, f.proargtypes)) END) AS text
        FROM (VALUES (coalesce(nullif(n.as_user, 0), role_oid))) AS u (oid)
        LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = u.oid
        LEFT JOIN pg_catalog.pg_class AS c ON c.oid = n.object_oid AND c.tableoid = n.class_oid
        LEFT JOIN pg_catalog.pg_proc AS f ON f.oid = n.object_oid AND f.tableoid = n.class_oid
        WHERE NOT n.soft AND NOT sync_roles.is_met(u.oid, n)
    ) AS m
$$;

COMMENT ON FUNCTION sync_roles.missing_needs(oid, oid, oid, text) IS
    'Internal. What keeps a role (0: PUBLIC) that has this privilege on a view or relation from using it: privileges that the role, or the '
    'owner of a view, lacks on the relations behind it. NULL: nothing.';

CREATE FUNCTION sync_roles.entries_of(class_oid oid, object_oid oid, privilege text) RETURNS TABLE (holder_oid oid, columns smallint[])
LANGUAGE plpgsql STABLE
ROWS 10
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT a.grantee, '{0}'::smallint[]
    FROM pg_catalog.pg_class AS c
    CROSS JOIN LATERAL aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) AS a
    WHERE class_oid = 'pg_catalog.pg_class'::regclass AND c.oid = object_oid AND a.privilege_type = entries_of.privilege
    UNION
    SELECT a.grantee, '{0}'
    FROM pg_catalog.pg_proc AS p
    CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
    WHERE class_oid = 'pg_catalog.pg_proc'::regclass AND p.oid = object_oid AND a.privilege_type = entries_of.privilege
    UNION
    SELECT a.grantee, array_agg(DISTINCT c.attnum)
    FROM pg_catalog.pg_attribute AS c
    CROSS JOIN LATERAL aclexplode(c.attacl) AS a
    WHERE class_oid = 'pg_catalog.pg_class'::regclass AND c.attrelid = object_oid AND c.attacl IS NOT NULL AND NOT c.attisdropped
        AND a.privilege_type = entries_of.privilege
    GROUP BY a.grantee
    UNION
    SELECT r.oid, '{0}'
    FROM pg_catalog.pg_roles AS r
    WHERE class_oid = 'pg_catalog.pg_class'::regclass
        AND (r.rolname = 'pg_read_all_data' AND entries_of.privilege = 'SELECT'
            OR r.rolname = 'pg_write_all_data' AND entries_of.privilege IN ('INSERT', 'UPDATE', 'DELETE'));
END
$$;

COMMENT ON FUNCTION sync_roles.entries_of(oid, oid, text) IS
    'Internal. The roles (0: PUBLIC) that have a privilege on a relation or a function by ACL entries, and on which columns (0: all).';

CREATE FUNCTION sync_roles.code_text(class_oid oid, object_oid oid, privilege text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
    SELECT CASE
            WHEN c.relkind = 'm' THEN 'materialized view '
            WHEN c.relkind = 'v' AND code_text.privilege = 'SELECT' THEN 'view '
            WHEN c.relkind = 'v' THEN code_text.privilege || ' on view '
            ELSE 'rules for ' || code_text.privilege || ' on table '
        END || n.nspname || '.' || c.relname || ', '
        || CASE WHEN c.relkind = 'v' AND sync_roles.is_invoker(c.reloptions) THEN 'security_invoker' ELSE 'owned by ' || r.rolname END
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
    );
END
$$;

COMMENT ON FUNCTION sync_roles.code_text(oid, oid, text) IS 'Internal. A view, relation with rules, or function, in words.';

CREATE FUNCTION sync_roles.code_about(of_class oid, of_objects oid[]) RETURNS TABLE (class_oid oid, object_oid oid, privilege text)
LANGUAGE plpgsql STABLE
ROWS 10
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH RECURSIVE above (class_oid, object_oid) AS (
        SELECT of_class, unnest(of_objects)
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
        SELECT v.privilege
        FROM (VALUES ('UPDATE', 4), ('INSERT', 8), ('DELETE', 16)) AS v (privilege, bit)
        WHERE c.relkind = 'v' AND pg_relation_is_updatable(c.oid, true) & v.bit <> 0
    ) AS k
    WHERE a.class_oid = 'pg_catalog.pg_class'::regclass
    UNION ALL
    SELECT a.class_oid, a.object_oid, 'EXECUTE'
    FROM above AS a
    JOIN pg_catalog.pg_proc AS p ON p.oid = a.object_oid AND p.prosecdef
    WHERE a.class_oid = 'pg_catalog.pg_proc'::regclass;
END
$$;

COMMENT ON FUNCTION sync_roles.code_about(oid, oid[]) IS
    'Internal. The views, relations with rules and SECURITY DEFINER functions that may do something with one of these objects, all the way '
    'up, and the privilege that makes them do it.';

-- A privilege on a parent table reaches the rows of its children, on which no privilege is checked then.
CREATE FUNCTION sync_roles.holders_by_code(of_class oid, of_object oid) RETURNS TABLE (
    column_name text, privilege text, holder_oid oid, through text, possible boolean, code_class_oid oid, code_oid oid, code_privilege text,
    by_caller boolean
)
LANGUAGE plpgsql STABLE STRICT
ROWS 10
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH RECURSIVE family (object_oid, partition) AS (
        SELECT of_object, NULL::boolean
        UNION
        SELECT i.inhparent, coalesce(f.partition, true) AND c.relispartition
        FROM family AS f
        JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = f.object_oid
        JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
        WHERE of_class = 'pg_catalog.pg_class'::regclass
    ),
    codes AS (
        SELECT k.class_oid, k.object_oid, k.privilege, e.columns, array_agg(e.holder_oid) AS holders
        FROM sync_roles.code_about(of_class, ARRAY(SELECT f.object_oid FROM family AS f)) AS k
        CROSS JOIN LATERAL sync_roles.entries_of(k.class_oid, k.object_oid, k.privilege) AS e
        GROUP BY 1, 2, 3, 4
    ),
    given AS (
        SELECT k.class_oid, k.object_oid, k.privilege AS code_privilege, k.holders, n.privilege, c.column_name,
            n.by_caller OR n.as_user = 0 AS by_caller,
            bool_and(c.unsure OR w.empty OR f.partition IS NOT NULL OR n.soft AND NOT sync_roles.is_met(n.as_user, n.need)) AS possible
        FROM codes AS k
        CROSS JOIN LATERAL (
            SELECT array_agg(n.need) AS list,
                bool_and((n.need).as_user = 0 OR (n.need).soft OR sync_roles.is_met((n.need).as_user, n.need)) AS works,
                -- A materialized view cannot be read before it was refreshed.
                bool_or(EXISTS (
                    SELECT
                    FROM pg_catalog.pg_class AS m
                    WHERE m.oid = ANY (ARRAY[(n.need).object_oid, k.object_oid]) AND NOT m.relispopulated
                )) AS empty
            FROM (SELECT n::sync_roles.need FROM sync_roles.needs(k.class_oid, k.object_oid, k.privilege, k.columns) AS n) AS n (need)
        ) AS w
        CROSS JOIN LATERAL (SELECT n.*, n::sync_roles.need AS need FROM unnest(w.list) AS n) AS n
        JOIN family AS f ON f.object_oid = n.object_oid
        CROSS JOIN LATERAL (
            SELECT NOT EXISTS (
                SELECT
                FROM pg_catalog.pg_attribute AS a
                WHERE a.attrelid = n.object_oid AND a.attnum > 0 AND NOT a.attisdropped
                    AND (a.attnum <> ALL (n.columns) OR a.attnum = ANY (n.unsure))
            ) AS complete
        ) AS l
        CROSS JOIN LATERAL (
            SELECT NULL::text AS column_name,
                -- What locks rows, counts them, or writes defaults alone says nothing of columns.
                n.privilege IN ('SELECT', 'INSERT', 'UPDATE') AND cardinality(n.columns) = 0 OR 0 = ANY (n.unsure) AS unsure
            WHERE cardinality(n.columns) = 0 OR 0 = ANY (n.columns) OR l.complete
            UNION ALL
            SELECT a.attname::text, a.attnum = ANY (n.unsure)
            FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = n.object_oid AND a.attnum = ANY (n.columns) AND NOT l.complete
                AND NOT (n.one_column AND n.as_user <> 0 AND a.attnum = ANY (n.unsure))
        ) AS c
        WHERE w.works AND n.class_oid = of_class AND n.policy_oid = 0
            AND (k.class_oid, k.object_oid) <> (n.class_oid, n.object_oid)
            -- A view locks rows, and does not update them.
            AND NOT (n.privilege = 'UPDATE' AND k.privilege = 'SELECT')
        GROUP BY 1, 2, 3, 4, 5, 6, 7
    )
    SELECT g.column_name, g.privilege, h.holder_oid, t.text, bool_and(g.possible), g.class_oid, g.object_oid, g.code_privilege, g.by_caller
    FROM (
        SELECT k.class_oid, k.object_oid, k.code_privilege, sync_roles.code_text(k.class_oid, k.object_oid, k.code_privilege) AS text
        FROM (SELECT DISTINCT g.class_oid, g.object_oid, g.code_privilege FROM given AS g) AS k
        OFFSET 0
    ) AS t
    JOIN given AS g USING (class_oid, object_oid, code_privilege)
    CROSS JOIN LATERAL unnest(g.holders) AS h (holder_oid)
    GROUP BY 1, 2, 3, 4, 6, 7, 8, 9
    UNION ALL
    SELECT a.attname::text, p.privilege, e.holder_oid,
        CASE WHEN f.partition THEN 'table ' || n.nspname || '.' || c.relname || ', of which it is a partition'
            ELSE 'table ' || n.nspname || '.' || c.relname || ', which it inherits from' END,
        true, of_class, f.object_oid, p.privilege, false
    FROM family AS f
    JOIN pg_catalog.pg_class AS c ON c.oid = f.object_oid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN unnest('{SELECT,UPDATE,DELETE,TRUNCATE,INSERT}'::text[]) AS p (privilege)
    CROSS JOIN LATERAL sync_roles.entries_of(of_class, f.object_oid, p.privilege) AS e
    LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.object_oid AND a.attnum = ANY (e.columns) AND 0 <> ALL (e.columns)
    WHERE f.partition IS NOT NULL AND (f.partition OR p.privilege <> 'INSERT');
END
$$;

COMMENT ON FUNCTION sync_roles.holders_by_code(oid, oid) IS
    'Internal. The roles (0: PUBLIC) that have privileges on an object through views, rules, SECURITY DEFINER functions whose body is '
    'known, and parent tables. Where by_caller is set, only those of them that have for themselves what the code needs.';

CREATE FUNCTION sync_roles.is_in_code(class_oid oid, object_oid oid) RETURNS boolean
LANGUAGE sql STABLE
RETURN class_oid IN ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_proc'::regclass) AND (
    EXISTS (
        SELECT
        FROM pg_catalog.pg_depend AS d
        WHERE d.refclassid = class_oid AND d.refobjid = object_oid AND d.deptype = 'n'
            AND d.classid IN ('pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_proc'::regclass)
    )
    OR EXISTS (
        SELECT
        FROM pg_catalog.pg_inherits AS i
        WHERE i.inhrelid = object_oid AND class_oid = 'pg_catalog.pg_class'::regclass
    )
);

COMMENT ON FUNCTION sync_roles.is_in_code(oid, oid) IS 'Internal. Whether holders_by_code can find anything for an object.';

CREATE VIEW sync_roles.predefined_holders AS
SELECT v.object_type, v.privilege, r.oid AS holder_oid
FROM (VALUES
    ('table', 'SELECT', 'pg_read_all_data', 0), ('sequence', 'SELECT', 'pg_read_all_data', 0),
    ('property_graph', 'SELECT', 'pg_read_all_data', 190000), ('large_object', 'SELECT', 'pg_read_all_data', 190000),
    ('schema', 'USAGE', 'pg_read_all_data', 0), ('schema', 'USAGE', 'pg_write_all_data', 0),
    ('table', 'INSERT', 'pg_write_all_data', 0), ('table', 'UPDATE', 'pg_write_all_data', 0), ('table', 'DELETE', 'pg_write_all_data', 0),
    ('sequence', 'UPDATE', 'pg_write_all_data', 0), ('large_object', 'UPDATE', 'pg_write_all_data', 190000),
    ('table', 'MAINTAIN', 'pg_maintain', 170000)
) AS v (object_type, privilege, role_name, since)
JOIN pg_catalog.pg_roles AS r ON r.rolname = v.role_name
WHERE current_setting('server_version_num')::integer >= v.since;

COMMENT ON VIEW sync_roles.predefined_holders IS
    'Internal. What predefined roles have on all objects of a type: pg_class_aclmask_ext, pg_largeobject_aclmask_snapshot and '
    'pg_namespace_aclmask_ext in aclchk.c.';
COMMENT ON COLUMN sync_roles.predefined_holders.object_type IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.predefined_holders.privilege IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.predefined_holders.holder_oid IS 'The predefined role.';

CREATE VIEW sync_roles.known_holders AS
SELECT o.object_type, o.class_oid, o.object_oid, NULL::text AS column_name, a.privilege, a.holder_oid, a.grantable, NULL::text AS through,
    false AS possible, o.class_oid AS code_class_oid, o.object_oid AS code_oid, a.privilege AS code_privilege, false AS by_caller
FROM sync_roles.objects AS o
CROSS JOIN LATERAL (
    SELECT a.privilege_type AS privilege, a.grantee AS holder_oid, bool_or(a.is_grantable) AS grantable
    FROM aclexplode(o.acl) AS a
    GROUP BY 1, 2
) AS a
-- A parameter on which nothing was ever granted has no ACL, not even an owner's.
WHERE o.object_oid <> 0
UNION ALL
SELECT o.object_type, o.class_oid, o.object_oid, c.attname::text, a.privilege, a.holder_oid, a.grantable, NULL, false,
    o.class_oid, o.object_oid, a.privilege, false
FROM sync_roles.objects AS o
JOIN pg_catalog.pg_attribute AS c ON c.attrelid = o.object_oid AND c.attacl IS NOT NULL AND NOT c.attisdropped
CROSS JOIN LATERAL (
    SELECT a.privilege_type AS privilege, a.grantee AS holder_oid, bool_or(a.is_grantable) AS grantable
    FROM aclexplode(sync_roles.unpacked(c.attacl)) AS a
    GROUP BY 1, 2
) AS a
WHERE o.object_type = 'table'
UNION ALL
SELECT o.object_type, o.class_oid, o.object_oid, NULL, v.privilege, v.holder_oid, false, NULL, false,
    o.class_oid, o.object_oid, v.privilege, false
FROM sync_roles.predefined_holders AS v
JOIN sync_roles.objects AS o ON o.object_type = v.object_type
UNION ALL
SELECT o.object_type, o.class_oid, o.object_oid, h.column_name, h.privilege, h.holder_oid, false, h.through, h.possible,
    h.code_class_oid, h.code_oid, h.code_privilege, h.by_caller
FROM sync_roles.objects AS o
CROSS JOIN LATERAL sync_roles.holders_by_code(o.class_oid, o.object_oid) AS h
WHERE sync_roles.is_in_code(o.class_oid, o.object_oid);

COMMENT ON VIEW sync_roles.known_holders IS 'Internal. As holders, but for the possible reach of SECURITY DEFINER functions.';
COMMENT ON COLUMN sync_roles.known_holders.object_type IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.known_holders.class_oid IS 'As in holders.';
COMMENT ON COLUMN sync_roles.known_holders.object_oid IS 'As in holders.';
COMMENT ON COLUMN sync_roles.known_holders.column_name IS 'As in holders.';
COMMENT ON COLUMN sync_roles.known_holders.privilege IS 'As in holders.';
COMMENT ON COLUMN sync_roles.known_holders.holder_oid IS 'As in holders.';
COMMENT ON COLUMN sync_roles.known_holders.grantable IS 'As in holders.';
COMMENT ON COLUMN sync_roles.known_holders.through IS 'As in holders.';
COMMENT ON COLUMN sync_roles.known_holders.possible IS 'As in holders.';
COMMENT ON COLUMN sync_roles.known_holders.code_class_oid IS 'As in holders.';
COMMENT ON COLUMN sync_roles.known_holders.code_oid IS 'As in holders.';
COMMENT ON COLUMN sync_roles.known_holders.code_privilege IS 'As in holders.';
COMMENT ON COLUMN sync_roles.known_holders.by_caller IS
    'Only for those that have for themselves what the code needs: a security_invoker view shows what its reader may read.';

CREATE FUNCTION sync_roles.is_opaque(function_oid oid) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.prosqlbody IS NULL OR EXISTS (
        SELECT
        FROM sync_roles.needs(p.tableoid, p.oid, 'EXECUTE', '{0}') AS n
        LEFT JOIN pg_catalog.pg_proc AS f ON f.oid = n.object_oid AND n.class_oid = f.tableoid AND f.oid >= 16384 AND f.prosqlbody IS NULL
            AND f.prolang NOT IN (SELECT l.oid FROM pg_catalog.pg_language AS l WHERE l.lanname IN ('internal', 'c'))
        LEFT JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = n.object_oid AND n.class_oid = 'pg_catalog.pg_class'::regclass
            AND n.privilege IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE') AND NOT t.tgisinternal AND t.tgenabled <> 'D'
        WHERE n.as_user <> 0 AND (f.oid IS NOT NULL OR t.oid IS NOT NULL)
    )
    FROM pg_catalog.pg_proc AS p
    WHERE p.oid = function_oid
$$;

COMMENT ON FUNCTION sync_roles.is_opaque(oid) IS
    'Internal. Whether all that a function does cannot be told from its body, or from those of the functions and triggers that it runs.';

-- No user's code runs with the rights of an owner by what PostgreSQL, extensions and this schema bring.
CREATE VIEW sync_roles.opaque_code AS
WITH RECURSIVE definers AS MATERIALIZED (
    SELECT p.oid, p.proowner AS owner,
        'function ' || n.nspname || '.' || sync_roles.signature(p.proname, p.proargtypes) || ', owned by ' || r.rolname AS text
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    JOIN pg_catalog.pg_roles AS r ON r.oid = p.proowner
    WHERE p.prosecdef AND p.prorettype <> 'event_trigger'::regtype AND NOT sync_roles.is_protected_schema(n.nspname)
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = p.tableoid AND d.objid = p.oid AND d.deptype = 'e'
        )
        AND sync_roles.is_opaque(p.oid)
),
gates AS MATERIALIZED (
    SELECT 'pg_catalog.pg_proc'::regclass::oid AS class_oid, d.oid AS object_oid, 'EXECUTE' AS privilege, d.owner, d.text
    FROM definers AS d
    UNION ALL
    SELECT 'pg_catalog.pg_class'::regclass, t.tgrelid, e.privilege, d.owner, 'trigger ' || t.tgname || ' on table ' || n.nspname || '.'
        || c.relname || ', ' || d.text
    FROM definers AS d
    JOIN pg_catalog.pg_trigger AS t ON t.tgfoid = d.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'
    JOIN (VALUES (4, 'INSERT'), (8, 'DELETE'), (16, 'UPDATE'), (32, 'TRUNCATE')) AS e (bit, privilege) ON t.tgtype & e.bit <> 0
    JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
),
entrances AS MATERIALIZED (
    SELECT g.owner, g.text, h.holder_oid, h.code_class_oid, h.code_oid, h.code_privilege, h.by_caller
    FROM gates AS g
    CROSS JOIN LATERAL (
        SELECT e.holder_oid, g.class_oid AS code_class_oid, g.object_oid AS code_oid, g.privilege AS code_privilege, false AS by_caller
        FROM sync_roles.entries_of(g.class_oid, g.object_oid, g.privilege) AS e
        UNION
        SELECT h.holder_oid, h.code_class_oid, h.code_oid, h.code_privilege, h.by_caller
        FROM sync_roles.holders_by_code(g.class_oid, g.object_oid) AS h
        WHERE h.privilege = g.privilege
    ) AS h
),
-- Whoever acts as an owner can call what that one can call.
acts (owner, acts_as) AS (
    SELECT DISTINCT e.owner, e.owner
    FROM entrances AS e
    UNION
    SELECT a.owner, e.owner
    FROM acts AS a
    JOIN entrances AS e ON e.holder_oid = 0 OR pg_has_role(a.acts_as, e.holder_oid, 'USAGE')
)
SELECT a.acts_as AS acts_as_oid, e.text, e.holder_oid, e.code_class_oid, e.code_oid, e.code_privilege, e.by_caller
FROM entrances AS e
JOIN acts AS a USING (owner);

COMMENT ON VIEW sync_roles.opaque_code IS
    'Internal. SECURITY DEFINER functions of which it cannot be told what they do, and their triggers: who can run them, and as whom they '
    'act, also by calling one another. Those of PostgreSQL, of extensions and of this schema are left out.';
COMMENT ON COLUMN sync_roles.opaque_code.acts_as_oid IS 'Whose rights it may use: its owner''s, and those that the owner has by such code.';
COMMENT ON COLUMN sync_roles.opaque_code.text IS 'The function or trigger, in words.';
COMMENT ON COLUMN sync_roles.opaque_code.holder_oid IS 'Who can run it; 0 is PUBLIC.';
COMMENT ON COLUMN sync_roles.opaque_code.code_class_oid IS 'As in holders.';
COMMENT ON COLUMN sync_roles.opaque_code.code_oid IS 'As in holders.';
COMMENT ON COLUMN sync_roles.opaque_code.code_privilege IS 'As in holders.';
COMMENT ON COLUMN sync_roles.opaque_code.by_caller IS 'As in known_holders.';

CREATE VIEW sync_roles.opaque_reach AS
SELECT o.object_type, o.class_oid, o.object_oid, o.schema_name, coalesce(o.signature, o.object_name::text) AS object_name, p.privilege,
    w.acts_as_oid
FROM (
    SELECT DISTINCT k.acts_as_oid, r.rolsuper
    FROM sync_roles.opaque_code AS k
    JOIN pg_catalog.pg_roles AS r ON r.oid = k.acts_as_oid
) AS w
CROSS JOIN sync_roles.objects AS o
CROSS JOIN LATERAL (
    SELECT p.privilege
    FROM unnest(sync_roles.privileges_of(o.object_type)) AS p (privilege)
    WHERE w.rolsuper
    UNION
    SELECT h.privilege
    FROM (
        SELECT a.privilege_type AS privilege, a.grantee AS holder_oid
        FROM aclexplode(o.acl) AS a
        UNION ALL
        SELECT a.privilege_type, a.grantee
        FROM pg_catalog.pg_attribute AS c
        CROSS JOIN LATERAL aclexplode(c.attacl) AS a
        WHERE o.object_type = 'table' AND c.attrelid = o.object_oid AND c.attacl IS NOT NULL AND NOT c.attisdropped
        UNION ALL
        SELECT v.privilege, v.holder_oid
        FROM sync_roles.predefined_holders AS v
        WHERE v.object_type = o.object_type
        UNION ALL
        SELECT h.privilege, h.holder_oid
        FROM sync_roles.holders_by_code(o.class_oid, CASE WHEN sync_roles.is_in_code(o.class_oid, o.object_oid) THEN o.object_oid END) AS h
        WHERE NOT h.by_caller
    ) AS h
    WHERE NOT w.rolsuper AND (h.holder_oid = 0 OR pg_has_role(w.acts_as_oid, h.holder_oid, 'USAGE'))
) AS p
WHERE o.object_type IN ('table', 'sequence', 'property_graph', 'routine', 'large_object');

COMMENT ON VIEW sync_roles.opaque_reach IS 'Internal. What those have as whom opaque_code acts.';
COMMENT ON COLUMN sync_roles.opaque_reach.object_type IS 'As in holders.';
COMMENT ON COLUMN sync_roles.opaque_reach.class_oid IS 'As in holders.';
COMMENT ON COLUMN sync_roles.opaque_reach.object_oid IS 'As in holders.';
COMMENT ON COLUMN sync_roles.opaque_reach.schema_name IS 'As in objects.';
COMMENT ON COLUMN sync_roles.opaque_reach.object_name IS 'Its name; of a routine, its signature.';
COMMENT ON COLUMN sync_roles.opaque_reach.privilege IS 'As in holders.';
COMMENT ON COLUMN sync_roles.opaque_reach.acts_as_oid IS 'The role that has it.';

CREATE VIEW sync_roles.holders AS
SELECT h.object_type, h.class_oid, h.object_oid, h.column_name, h.privilege, h.holder_oid, h.grantable, h.through, h.possible,
    h.code_class_oid, h.code_oid, h.code_privilege
FROM sync_roles.known_holders AS h
WHERE NOT h.by_caller
UNION ALL
SELECT c.object_type, c.class_oid, c.object_oid, NULL, c.privilege, k.holder_oid, false, k.text, true,
    k.code_class_oid, k.code_oid, k.code_privilege
FROM sync_roles.opaque_reach AS c
JOIN sync_roles.opaque_code AS k USING (acts_as_oid)
WHERE NOT k.by_caller;

COMMENT ON VIEW sync_roles.holders IS
    'The roles such that whoever has their privileges has a privilege on an object: by an ACL entry, as a predefined role, or through code '
    '(views, rules, SECURITY DEFINER functions, parent tables). Superusers are not listed: they have all. Ask for an object. What a '
    'SECURITY DEFINER function may do with tables, sequences, routines and large objects is all that its owner can, row by row, unless its '
    'body is known (BEGIN ATOMIC); functions of PostgreSQL, of extensions and of this schema are left out.';
COMMENT ON COLUMN sync_roles.holders.object_type IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.holders.class_oid IS 'The catalog that the object is in.';
COMMENT ON COLUMN sync_roles.holders.object_oid IS 'The object.';
COMMENT ON COLUMN sync_roles.holders.column_name IS 'The column on which alone it has the privilege; NULL: the object.';
COMMENT ON COLUMN sync_roles.holders.privilege IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.holders.holder_oid IS 'The role; 0 is PUBLIC.';
COMMENT ON COLUMN sync_roles.holders.grantable IS 'With the grant option.';
COMMENT ON COLUMN sync_roles.holders.through IS 'The code through which it has the privilege, in words; NULL: none.';
COMMENT ON COLUMN sync_roles.holders.possible IS
    'It cannot be told whether the code does that; or it is a partition or child, which is reached through its parent alone.';
COMMENT ON COLUMN sync_roles.holders.code_class_oid IS 'The catalog that the code is in, or the object itself.';
COMMENT ON COLUMN sync_roles.holders.code_oid IS
    'The view, relation with rules or triggers, parent, or function on which the role has code_privilege; without code, the object.';
COMMENT ON COLUMN sync_roles.holders.code_privilege IS
    'The privilege that the role has on the code, by which it runs; without code, privilege.';

CREATE FUNCTION sync_roles.schema_of(class_oid oid, object_oid oid) RETURNS oid
LANGUAGE sql STABLE
RETURN CASE class_oid
    WHEN 'pg_catalog.pg_class'::regclass THEN (SELECT c.relnamespace FROM pg_catalog.pg_class AS c WHERE c.oid = object_oid)
    WHEN 'pg_catalog.pg_proc'::regclass THEN (SELECT p.pronamespace FROM pg_catalog.pg_proc AS p WHERE p.oid = object_oid)
    WHEN 'pg_catalog.pg_type'::regclass THEN (SELECT t.typnamespace FROM pg_catalog.pg_type AS t WHERE t.oid = object_oid)
END;

COMMENT ON FUNCTION sync_roles.schema_of(oid, oid) IS 'Internal. The schema that a relation, routine or type is in.';

-- Only views, relations with rules and row-level security can need more than the privilege.
CREATE FUNCTION sync_roles.further_needs(class_oid oid, object_oid oid, privilege text) RETURNS sync_roles.need[]
LANGUAGE sql STABLE
RETURN CASE
    WHEN class_oid = 'pg_catalog.pg_class'::regclass AND privilege IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') AND (
        SELECT c.relkind <> 'm' AND (c.relhasrules OR c.relrowsecurity)
            -- Most views cannot be written: neither rules nor triggers, nor anything behind them.
            AND (c.relkind <> 'v' OR privilege = 'SELECT' OR pg_relation_is_updatable(c.oid, true) <> 0 OR (
                SELECT count(*) > 1 FROM pg_catalog.pg_rewrite AS w WHERE w.ev_class = c.oid
            ))
        FROM pg_catalog.pg_class AS c
        WHERE c.oid = object_oid
    ) THEN sync_roles.needs_of_caller(class_oid, object_oid, privilege)
    ELSE '{}'
END;

COMMENT ON FUNCTION sync_roles.further_needs(oid, oid, text) IS
    'Internal. What a role must have for itself, beside this privilege, to use it; NULL if no role can.';

-- Without WITH, so that conditions on role and object reach the catalogs' indexes.
CREATE OR REPLACE VIEW sync_roles.effective_grants AS
SELECT e.role_name, e.privilege, e.object_type, e.schema_name, e.object_name, e.column_name, e.through, e.possible
FROM (
    SELECT g.role_name, g.privilege, g.object_type, g.schema_name, g.object_name, g.column_name,
        (array_agg(g.through ORDER BY g.possible, g.through COLLATE "C" NULLS FIRST))[1] AS through, bool_and(g.possible) AS possible,
        bool_or(g.column_name IS NULL AND bool_and(NOT g.possible))
            OVER (PARTITION BY g.role_name, g.privilege, g.object_type, g.schema_name, g.object_name) AS whole
    FROM (
        SELECT r.rolname::text AS role_name, p.privilege, o.object_type, nullif(o.schema_name, '')::text AS schema_name,
            coalesce(o.signature, o.object_name::text) AS object_name, NULL::text AS column_name, NULL::text AS through,
            u.possible OR sync_roles.are_met_in_part(r.oid, u.needs) AS possible
        FROM sync_roles.objects AS o
        CROSS JOIN LATERAL unnest(sync_roles.privileges_of(o.object_type)) AS p (privilege)
        CROSS JOIN LATERAL (
            SELECT (SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname = o.schema_name) AS schema_oid,
                -- As in further_needs, which is not called for all the other objects.
                CASE WHEN o.object_type = 'table' AND p.privilege IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') AND (
                    SELECT c.relhasrules OR c.relrowsecurity FROM pg_catalog.pg_class AS c WHERE c.oid = o.object_oid
                ) THEN sync_roles.further_needs(o.class_oid, o.object_oid, p.privilege) ELSE '{}' END AS needs,
                -- Once, and not for each role. A parameter on which nothing was ever granted has no ACL, not even an owner's.
                ARRAY(
                    SELECT a.grantee FROM aclexplode(o.acl) AS a WHERE a.privilege_type = p.privilege AND o.object_oid <> 0
                ) AS grantees,
                -- It cannot be read before it was refreshed.
                p.privilege = 'SELECT' AND o.object_type = 'table' AND EXISTS (
                    SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = o.object_oid AND NOT c.relispopulated
                ) AS possible
            OFFSET 0
        ) AS u
        CROSS JOIN pg_catalog.pg_roles AS r
        WHERE o.object_type <> 'role' AND u.needs IS NOT NULL
            AND (
                r.rolsuper
                OR (u.schema_oid IS NULL OR has_schema_privilege(r.oid, u.schema_oid, 'USAGE'))
                AND (
                    0 = ANY (u.grantees)
                    OR EXISTS (SELECT FROM unnest(u.grantees) AS g (oid) WHERE g.oid <> 0 AND pg_has_role(r.oid, g.oid, 'USAGE'))
                    -- As in known_holders.
                    OR o.object_type IN ('table', 'sequence', 'property_graph') AND p.privilege = 'SELECT'
                        AND pg_has_role(r.oid, 'pg_read_all_data', 'USAGE')
                    OR o.object_type IN ('table', 'sequence') AND p.privilege IN ('INSERT', 'UPDATE', 'DELETE')
                        AND pg_has_role(r.oid, 'pg_write_all_data', 'USAGE')
                    OR o.object_type = 'table' AND p.privilege = 'MAINTAIN' AND pg_has_role(r.oid, to_regrole('pg_maintain'), 'USAGE')
                    OR o.object_type = 'large_object' AND current_setting('server_version_num')::integer >= 190000
                        AND (p.privilege = 'SELECT' AND pg_has_role(r.oid, 'pg_read_all_data', 'USAGE')
                            OR p.privilege = 'UPDATE' AND pg_has_role(r.oid, 'pg_write_all_data', 'USAGE'))
                    OR o.object_type = 'schema' AND p.privilege = 'USAGE'
                        AND (pg_has_role(r.oid, 'pg_read_all_data', 'USAGE') OR pg_has_role(r.oid, 'pg_write_all_data', 'USAGE'))
                )
            )
            AND (cardinality(u.needs) = 0 OR sync_roles.are_met(r.oid, u.needs))
        UNION ALL
        SELECT r.rolname::text, h.privilege, h.object_type, nullif(h.schema_name, '')::text, h.object_name::text, h.column_name, h.through,
            h.possible OR h.through IS NULL AND sync_roles.are_met_in_part(r.oid, u.needs)
        FROM (
            SELECT o.object_type, o.schema_name, coalesce(o.signature, o.object_name::text) AS object_name, c.attname::text AS column_name,
                a.privilege_type AS privilege,
                a.grantee AS holder_oid, NULL AS through, false AS possible, o.class_oid AS code_class_oid, o.object_oid AS code_oid,
                a.privilege_type AS code_privilege
            FROM sync_roles.objects AS o
            JOIN pg_catalog.pg_attribute AS c ON c.attrelid = o.object_oid AND c.attacl IS NOT NULL AND NOT c.attisdropped
            CROSS JOIN LATERAL aclexplode(sync_roles.unpacked(c.attacl)) AS a
            WHERE o.object_type = 'table'
            UNION ALL
            SELECT o.object_type, o.schema_name, coalesce(o.signature, o.object_name::text), h.column_name, h.privilege, h.holder_oid,
                h.through, h.possible, h.code_class_oid, h.code_oid, h.code_privilege
            FROM sync_roles.objects AS o
            CROSS JOIN LATERAL sync_roles.holders_by_code(o.class_oid, o.object_oid) AS h
            WHERE sync_roles.is_in_code(o.class_oid, o.object_oid)
        ) AS h
        CROSS JOIN LATERAL (
            SELECT sync_roles.schema_of(h.code_class_oid, h.code_oid) AS schema_oid,
                sync_roles.further_needs(h.code_class_oid, h.code_oid, h.code_privilege) AS needs
            OFFSET 0
        ) AS u
        JOIN pg_catalog.pg_roles AS r ON (h.holder_oid = 0 OR pg_has_role(r.oid, h.holder_oid, 'USAGE'))
            AND has_schema_privilege(r.oid, u.schema_oid, 'USAGE')
        WHERE u.needs IS NOT NULL AND (cardinality(u.needs) = 0 OR sync_roles.are_met(r.oid, u.needs))
        UNION ALL
        SELECT k.role_name, c.privilege, c.object_type, nullif(c.schema_name, '')::text, c.object_name::text, NULL, k.text, true
        FROM (
            SELECT r.rolname::text AS role_name, k.acts_as_oid, min(k.text COLLATE "C") AS text
            FROM (
                SELECT k.acts_as_oid, k.text, k.holder_oid, sync_roles.schema_of(k.code_class_oid, k.code_oid) AS schema_oid,
                    sync_roles.further_needs(k.code_class_oid, k.code_oid, k.code_privilege) AS needs
                FROM sync_roles.opaque_code AS k
                OFFSET 0
            ) AS k
            JOIN pg_catalog.pg_roles AS r ON NOT r.rolsuper AND (k.holder_oid = 0 OR pg_has_role(r.oid, k.holder_oid, 'USAGE'))
                AND has_schema_privilege(r.oid, k.schema_oid, 'USAGE') AND sync_roles.are_met(r.oid, k.needs)
            GROUP BY 1, 2
        ) AS k
        JOIN sync_roles.opaque_reach AS c ON c.acts_as_oid = k.acts_as_oid
    ) AS g
    GROUP BY 1, 2, 3, 4, 5, 6
) AS e
WHERE NOT (e.whole AND e.column_name IS NOT NULL AND e.through IS NOT NULL);

COMMENT ON VIEW sync_roles.effective_grants IS
    'Who can do what, by whatever way: what each role of the cluster can use by its own ACL entries, PUBLIC, memberships it inherits from, '
    'owning, predefined roles, as a superuser, or through code. What it cannot use is not listed: an object in a schema without USAGE, a '
    'view that needs what its owner or, where it is security_invoker, the role lacks. Ask for a role or an object: all with all are many. '
    'It does not say whether the role may CONNECT, nor which rows row-level security shows.';
COMMENT ON COLUMN sync_roles.effective_grants.through IS 'As in holders. NULL: the role can use the object by its name.';
COMMENT ON COLUMN sync_roles.effective_grants.possible IS 'As in holders.';

-- As before, and says of an applied row which privileges are missing behind the view.
CREATE OR REPLACE VIEW sync_roles.grant_status AS
-- Apart, and read only where there are any: what may cost much for each row makes PostgreSQL compile the query first, for seconds.
WITH python AS MATERIALIZED (
    SELECT m.member_oid, i.class_oid, i.object_oid, i.privilege, min(l.rolname)::text AS role_name
    FROM sync_roles.python_intermediate_roles AS i
    JOIN sync_roles.memberships AS m ON m.role_oid = i.role_oid AND m.inherit_option
    JOIN pg_catalog.pg_roles AS l ON l.oid = i.role_oid
    GROUP BY 1, 2, 3, 4
)
SELECT g.id, g.role_name, g.privilege, g.object_type, g.schema_name, g.object_name, g.name_match, g.column_name,
    CASE
        WHEN EXISTS (SELECT FROM sync_roles.pending AS p WHERE p.role_name = g.role_name OR p.role_name IS NULL) OR a.outcome IS NULL
            THEN 'pending'
        WHEN problem.kind IN ('refused', 'blocked') THEN problem.kind
        -- A grant that is refused to an intermediate role is refused to the rows that go through it.
        WHEN through.problems IS NOT NULL THEN
            CASE WHEN through.problems @? '$[*] ? (@.kind != "refused")' THEN 'blocked' ELSE 'refused' END
        WHEN found.matches > 0 AND found.missing = 0 THEN 'applied'
        WHEN a.outcome IN ('failed', 'held') OR a.outcome = 'blocked' AND found.matches > 0 THEN a.outcome
        WHEN found.matches = 0 OR problem.kind = 'waiting' THEN 'waiting'
        ELSE 'pending'
    END AS status,
    CASE
        WHEN found.matches = 0 OR found.missing > 0 THEN NULL
        WHEN through.role_name IS NOT NULL OR found.python_role IS NOT NULL THEN 'intermediate'
        ELSE 'direct'
    END AS encoding,
    CASE WHEN found.matches > 0 AND found.missing = 0 THEN coalesce(through.role_name, found.python_role) END AS via,
    found.matches,
    nullif(concat_ws('; ', CASE
        WHEN problem.reason IS NOT NULL THEN problem.reason
        WHEN through.problems IS NOT NULL THEN (
            SELECT string_agg(DISTINCT p ->> 'reason', '; ') FROM jsonb_array_elements(through.problems) AS p
        )
        WHEN a.outcome = 'failed' AND found.missing > 0 THEN a.error
        -- What PostgreSQL refused is known by its statement.
        WHEN a.outcome = 'blocked' AND found.missing > 0 THEN (
            SELECT string_agg(DISTINCT p ->> 'reason', '; ') FROM jsonb_array_elements(a.problems) AS p WHERE p -> 'grant_id' IS NULL
        )
        WHEN found.matches = 0 THEN 'nothing that exists answers to this name'
        WHEN found.missing > 0 THEN 'not yet granted'
        WHEN g.schema_name IS NOT NULL AND g.privilege <> 'OWNER' AND r.oid IS NOT NULL AND n.oid IS NOT NULL
            AND NOT has_schema_privilege(r.oid, n.oid, 'USAGE')
            THEN format('granted, but of no use yet: %s has no USAGE on schema %s', g.role_name, g.schema_name)
        WHEN found.useless IS NOT NULL THEN format('granted, but of no use yet: %s', found.useless)
        WHEN found.readable IS NOT NULL
            THEN format('PostgreSQL knows no exceptions: %s has %s on the whole of table %s by other means', g.role_name, g.privilege,
                found.readable)
    END, nullif(sync_roles.looks_like(g.role_name, g.object_type, g.object_name, g.name_match, found.matches > 0), '')), '') AS reason
FROM sync_roles.desired_grants AS g
LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = g.role_name
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = g.schema_name AND g.schema_match = 'exact'
-- What the row compares names with.
CROSS JOIN LATERAL (
    SELECT coalesce(sync_roles.compared_name(g.schema_name, g.schema_match, g.except_schemas), '') AS schema_name,
        sync_roles.compared_match(g.schema_match, g.except_schemas) AS schema_match,
        sync_roles.compared_name(g.object_name, g.name_match, g.except_names) AS object_name,
        sync_roles.compared_match(g.name_match, g.except_names) AS name_match,
        sync_roles.compared_column(g.column_name, g.name_match, g.except_columns) AS column_name,
        sync_roles.compared_match('exact', g.except_columns) AS column_match
) AS w
LEFT JOIN sync_roles.costly_patterns AS k
    ON g.name_match <> 'exact' AND k.object_name = w.object_name AND k.object_type = g.object_type
    AND k.schema_name = w.schema_name AND k.name_match = w.name_match
LEFT JOIN LATERAL (
    SELECT i.role_name, i.problems
    FROM sync_roles.intermediate_roles AS i
    JOIN sync_roles.memberships AS m ON m.role_oid = i.role_oid AND m.member_oid = r.oid AND m.inherit_option
    WHERE i.selector = g.selector AND g.direct IS NOT TRUE AND NOT g.grantable
    LIMIT 1
) AS through ON true
LEFT JOIN LATERAL (
    SELECT a.outcome, a.problems, a.error
    FROM sync_roles.audit AS a
    WHERE a.role_name = g.role_name
    ORDER BY a.id DESC
    LIMIT 1
) AS a ON true
LEFT JOIN LATERAL (
    -- A problem without a privilege is about the role as a whole.
    SELECT p.kind, string_agg(DISTINCT p.reason, '; ') AS reason
    FROM jsonb_to_recordset(a.problems) AS p (grant_id bigint, kind text, reason text, object text, privilege text)
    WHERE p.grant_id = g.id
        OR p.grant_id IS NULL AND p.privilege IS NULL AND p.object = 'role ' || g.role_name AND p.kind IN ('refused', 'blocked')
    GROUP BY p.kind
    ORDER BY array_position('{blocked,refused,waiting}', p.kind)
    LIMIT 1
) AS problem ON true
CROSS JOIN LATERAL (
    SELECT count(DISTINCT o.object_oid) AS matches,
        count(*) FILTER (WHERE NOT h.direct AND through.role_name IS NULL AND h.python_role IS NULL) AS missing,
        min(h.python_role) FILTER (WHERE NOT h.direct) AS python_role,
        min(concat_ws('.', quote_ident(o.schema_name), quote_ident(o.object_name))) FILTER (WHERE h.readable) AS readable,
        min(h.useless) AS useless
    -- As find_objects. But a function reads as its caller, who may have the view and nothing else.
    FROM (
        SELECT o.*
        FROM sync_roles.objects AS o
        WHERE g.name_match = 'exact' AND g.schema_match = 'exact' AND o.object_type = g.object_type
            AND o.schema_name = coalesce(g.schema_name, '')
            AND o.object_name = sync_roles.own_name(g.object_type, g.object_name)
            AND sync_roles.means(g.object_name, g.name_match, o.object_name, o.signature)
        UNION ALL
        SELECT o.*
        FROM sync_roles.objects AS o
        WHERE g.name_match <> 'exact' AND g.schema_match = 'exact' AND o.object_type = g.object_type
            AND o.schema_name = coalesce(g.schema_name, '')
            -- A CASE, so that a pattern that costs too much is not compared first.
            AND CASE WHEN k.object_name IS NULL THEN sync_roles.name_matches(o.object_name, w.object_name, w.name_match) END
            -- Not a parameter that only rows name: see sync_roles.parameters.
            AND (o.object_oid <> 0 OR o.acl IS NOT NULL)
        UNION ALL
        SELECT o.*
        FROM sync_roles.objects AS o
        WHERE g.schema_match <> 'exact' AND o.object_type = g.object_type
            AND sync_roles.in_schema(o.schema_name, w.schema_name, w.schema_match)
            AND CASE WHEN k.object_name IS NULL THEN sync_roles.means(w.object_name, w.name_match, o.object_name, o.signature) END
        UNION ALL
        -- As find_partitions.
        SELECT o.*
        FROM sync_roles.objects AS o
        WHERE g.partitions AND k.object_name IS NULL AND o.object_type = 'table' AND o.object_oid IN (
                WITH RECURSIVE below (object_oid) AS (
                    SELECT i.inhrelid
                    FROM sync_roles.objects AS p
                    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = p.object_oid
                    WHERE p.object_type = 'table' AND sync_roles.in_schema(p.schema_name, w.schema_name, w.schema_match)
                        AND sync_roles.means(w.object_name, w.name_match, p.object_name, p.signature)
                    UNION
                    SELECT i.inhrelid
                    FROM below AS b
                    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = b.object_oid
                )
                SELECT b.object_oid FROM below AS b
            )
            AND (sync_roles.in_schema(o.schema_name, w.schema_name, w.schema_match)
                AND sync_roles.means(w.object_name, w.name_match, o.object_name, o.signature)) IS NOT TRUE
    ) AS o
    -- OFFSET 0: otherwise the planner may read the columns of all tables for each row.
    LEFT JOIN LATERAL (
        SELECT c.attnum, c.attacl
        FROM pg_catalog.pg_attribute AS c
        WHERE w.column_name <> '' AND c.attrelid = o.object_oid AND sync_roles.is_column(c.attname, w.column_name, w.column_match)
            AND (w.column_match = 'exact' OR c.attnum > 0) AND NOT c.attisdropped
        OFFSET 0
    ) AS c ON true
    LEFT JOIN LATERAL unnest(sync_roles.privileges_of(g.object_type)) AS p (privilege) ON g.privilege IN (p.privilege, 'ALL')
    CROSS JOIN LATERAL (
        SELECT
            CASE g.privilege
                WHEN 'OWNER' THEN o.owner = r.oid
                -- As in missing_memberships.sql and surplus_memberships.sql. What no option asks for is left as it is.
                WHEN 'MEMBER' THEN (
                    SELECT count(*) > 0
                        AND (bool_or(m.admin_option) OR NOT g.grantable)
                        AND (bool_or(m.inherit_option OR m.set_option) OR g.inherit_option IS NOT NULL OR g.set_option IS NOT NULL)
                        AND bool_or(m.inherit_option) = coalesce(g.inherit_option, bool_or(m.inherit_option))
                        AND bool_or(m.set_option) = coalesce(g.set_option, bool_or(m.set_option))
                    FROM sync_roles.memberships AS m
                    WHERE m.role_oid = o.object_oid AND m.member_oid = r.oid
                )
                ELSE g.direct IS NOT FALSE AND EXISTS (
                    SELECT
                    FROM aclexplode(CASE WHEN w.column_name = '' THEN o.acl ELSE sync_roles.unpacked(c.attacl) END) AS a
                    WHERE a.grantee = CASE WHEN g.role_name = 'public' THEN 0 ELSE r.oid END AND a.privilege_type = p.privilege
                        AND (a.is_grantable OR NOT g.grantable)
                )
            END
            OR g.name_match <> 'exact' AND through.role_name IS NULL
                AND sync_roles.patterns_pass_by(o.class_oid, o.object_oid, o.owner, o.acl, coalesce(p.privilege, g.privilege)) AS direct,
            CASE WHEN (SELECT EXISTS (
                SELECT FROM pg_catalog.pg_roles AS l WHERE starts_with(l.rolname, '_pgsr_local_') OR starts_with(l.rolname, '_pgsr_global_')
            )) THEN (
                SELECT y.role_name
                FROM python AS y
                WHERE g.direct IS NOT TRUE AND y.member_oid = r.oid
                    AND y.class_oid = o.class_oid AND y.object_oid = o.object_oid AND y.privilege = p.privilege
            ) END AS python_role,
            CASE WHEN g.except_columns <> '{}' AND r.oid IS NOT NULL THEN
                has_table_privilege(r.oid, o.object_oid, g.privilege)
            END AS readable,
            -- Only views and relations with rules or policies can need more.
            CASE WHEN g.name_match = 'exact' AND g.schema_match = 'exact' AND g.object_type = 'table' AND r.oid IS NOT NULL
                AND g.privilege IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
                AND (SELECT v.relhasrules OR v.relrowsecurity FROM pg_catalog.pg_class AS v WHERE v.oid = o.object_oid AND v.relkind <> 'm')
                THEN sync_roles.missing_needs(r.oid, o.class_oid, o.object_oid, g.privilege)
            END AS useless
    ) AS h
    WHERE w.column_name = '' OR c.attnum IS NOT NULL
) AS found;

UPDATE sync_roles.installation SET schema_version = 27;
