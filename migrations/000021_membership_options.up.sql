-- WITH INHERIT and WITH SET of memberships, and problems of a whole role in my_problems.

ALTER TABLE sync_roles.desired_grants
    ADD COLUMN inherit_option boolean,
    ADD COLUMN set_option boolean;

COMMENT ON COLUMN sync_roles.desired_grants.inherit_option IS
    'For MEMBER, on PostgreSQL 16 and later: WITH INHERIT. NULL: as desired_roles.inherit of the member says, else as it is.';
COMMENT ON COLUMN sync_roles.desired_grants.set_option IS 'For MEMBER, on PostgreSQL 16 and later: WITH SET. NULL: as it is.';

-- Rows with options are few, and each pass asks whether there are any.
CREATE INDEX desired_grants_membership_options ON sync_roles.desired_grants (role_name)
    WHERE inherit_option IS NOT NULL OR set_option IS NOT NULL;

CREATE FUNCTION sync_roles.check_membership_options(privilege text, inherit_option boolean, set_option boolean) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    column_name constant text := CASE WHEN inherit_option IS NULL THEN 'set_option' ELSE 'inherit_option' END;
    version constant integer := current_setting('server_version_num')::integer / 10000;
    problem constant text := CASE
        WHEN privilege <> 'MEMBER' THEN format('is not allowed for %s: only memberships (MEMBER) have it', privilege)
        WHEN version < 16 THEN format('needs PostgreSQL 16 or later, and this is %s: here a member inherits as its attribute says, '
            'and may always SET ROLE', version)
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', SCHEMA = 'sync_roles', TABLE = 'desired_grants', COLUMN = column_name,
            MESSAGE = column_name || ' ' || problem;
    END IF;
    RETURN true;
END
$$;

COMMENT ON FUNCTION sync_roles.check_membership_options(text, boolean, boolean) IS
    'Refuses options of a membership on a row of another privilege, and on a server that has none.';

ALTER TABLE sync_roles.desired_grants ADD CONSTRAINT desired_grants_membership_options
    CHECK (inherit_option IS NULL AND set_option IS NULL OR sync_roles.check_membership_options(privilege, inherit_option, set_option));

CREATE OR REPLACE VIEW sync_roles.matchable_grants AS
SELECT g.id, g.role_name, g.privilege, g.object_type, g.schema_name, g.object_name, g.name_match, g.column_name, g.direct, g.grantable,
    g.create_if_not_exists, g.expires_at, g.created_at, m.compared_as, g.selector, g.inherit_option, g.set_option
FROM sync_roles.desired_grants AS g
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN g.name_match = 'exact' THEN g.name_match
        WHEN NOT EXISTS (
            SELECT
            FROM sync_roles.costly_patterns AS c
            WHERE c.object_name = g.object_name AND c.object_type = g.object_type AND c.schema_name = coalesce(g.schema_name, '')
                AND c.name_match = g.name_match
        ) THEN g.name_match
    END AS compared_as
) AS m
WHERE (g.expires_at IS NULL OR g.expires_at > now()) AND m.compared_as IS NOT NULL;

COMMENT ON COLUMN sync_roles.matchable_grants.inherit_option IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.matchable_grants.set_option IS 'As in desired_grants.';

CREATE FUNCTION sync_roles.membership_options(member_name text, granted_name text)
RETURNS TABLE (inherit_option boolean, inherit_id bigint, set_option boolean, set_id bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH asked AS (
        SELECT g.id, g.created_at, g.name_match <> 'exact' AS pattern, g.inherit_option, g.set_option
        FROM sync_roles.matchable_grants AS g
        WHERE g.role_name = $1 COLLATE "C"
            AND (g.inherit_option IS NOT NULL OR g.set_option IS NOT NULL)
            AND sync_roles.name_matches($2, g.object_name, g.compared_as)
    )
    SELECT i.inherit_option, i.id, s.set_option, s.id
    FROM (VALUES (true)) AS one (row)
    LEFT JOIN LATERAL (
        SELECT a.id, a.inherit_option
        FROM asked AS a
        WHERE a.inherit_option IS NOT NULL
        ORDER BY a.pattern, a.created_at, a.id
        LIMIT 1
    ) AS i ON true
    LEFT JOIN LATERAL (
        SELECT a.id, a.set_option
        FROM asked AS a
        WHERE a.set_option IS NOT NULL
        ORDER BY a.pattern, a.created_at, a.id
        LIMIT 1
    ) AS s ON true
$$;

COMMENT ON FUNCTION sync_roles.membership_options(text, text) IS
    'Which options rows ask for of a role''s membership in another: those of the exact row, else of the oldest pattern, and whose id that '
    'is.';

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
        WHEN through.problems IS NOT NULL THEN 'blocked'
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
    END, nullif(sync_roles.looks_like(g.role_name, g.object_type, g.object_name, g.name_match, found.matches > 0), '')), '') AS reason
FROM sync_roles.desired_grants AS g
LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = g.role_name
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = g.schema_name
LEFT JOIN sync_roles.costly_patterns AS k
    ON g.name_match <> 'exact' AND k.object_name = g.object_name AND k.object_type = g.object_type
    AND k.schema_name = coalesce(g.schema_name, '') AND k.name_match = g.name_match
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
        min(h.python_role) FILTER (WHERE NOT h.direct) AS python_role
    -- As find_objects. But a function reads as its caller, who may have the view and nothing else.
    FROM (
        SELECT o.*
        FROM sync_roles.objects AS o
        WHERE g.name_match = 'exact' AND o.object_type = g.object_type AND o.schema_name = coalesce(g.schema_name, '')
            AND o.object_name = sync_roles.own_name(g.object_type, g.object_name)
            AND sync_roles.means(g.object_name, g.name_match, o.object_name, o.signature)
        UNION ALL
        SELECT o.*
        FROM sync_roles.objects AS o
        WHERE g.name_match <> 'exact' AND o.object_type = g.object_type AND o.schema_name = coalesce(g.schema_name, '')
            -- A CASE, so that a pattern that costs too much is not compared first.
            AND CASE WHEN k.object_name IS NULL THEN sync_roles.name_matches(o.object_name, g.object_name, g.name_match) END
            -- Not a parameter that only rows name: see sync_roles.parameters.
            AND (o.object_oid <> 0 OR o.acl IS NOT NULL)
    ) AS o
    LEFT JOIN pg_catalog.pg_attribute AS c
        ON g.column_name IS NOT NULL AND c.attrelid = o.object_oid AND c.attname = g.column_name AND NOT c.attisdropped
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
                    FROM aclexplode(CASE WHEN g.column_name IS NULL THEN o.acl ELSE sync_roles.unpacked(c.attacl) END) AS a
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
            ) END AS python_role
    ) AS h
    WHERE g.column_name IS NULL OR c.attnum IS NOT NULL
) AS found;

CREATE OR REPLACE VIEW sync_roles.my_problems WITH (security_barrier) AS
SELECT g.role_name, g.id AS grant_id, p.kind,
    -- The row that won may be out of sight.
    CASE p.code
        WHEN 'owner_conflict' THEN format('%s is to belong to another role: an object has one owner', p.object)
        WHEN 'option_conflict' THEN 'another row asks for other options of the same membership'
        ELSE regexp_replace(p.reason, ', by desired grant [0-9]+', '')
    END AS reason,
    p.fix
FROM sync_roles.role_status AS s
CROSS JOIN LATERAL jsonb_to_recordset(s.problems)
    AS p (grant_id bigint, kind text, code text, object text, privilege text, reason text, fix text)
-- A problem of the role as a whole is one of each of its rows.
JOIN sync_roles.desired_grants AS g
    ON g.role_name = s.role_name
    AND (g.id = p.grant_id
        OR p.grant_id IS NULL AND p.privilege IS NULL AND p.object = 'role ' || s.role_name AND p.kind IN ('refused', 'blocked'))
WHERE EXISTS (
    SELECT FROM sync_roles.my_scopes AS c
    WHERE sync_roles.scope_problem(c, g.role_name, g.privilege, g.object_type, g.schema_name, g.object_name, g.name_match,
        false, NULL) IS NULL
);

-- The function of before would be ambiguous beside it.
DROP FUNCTION sync_roles.grant(text, text, text, text, text, text, text, boolean, boolean, boolean, timestamptz, text, text);

CREATE FUNCTION sync_roles.grant(
    role_name text, privilege text, object_type text, schema_name text DEFAULT NULL, object_name text DEFAULT NULL,
    name_match text DEFAULT 'exact', column_name text DEFAULT NULL, direct boolean DEFAULT NULL, grantable boolean DEFAULT false,
    create_if_not_exists boolean DEFAULT false, expires_at timestamptz DEFAULT NULL, note text DEFAULT NULL, source text DEFAULT NULL,
    inherit_option boolean DEFAULT NULL, set_option boolean DEFAULT NULL
) RETURNS bigint
LANGUAGE sql SECURITY INVOKER
BEGIN ATOMIC
    INSERT INTO sync_roles.desired_grants AS g (role_name, privilege, object_type, schema_name, object_name, name_match, column_name,
        direct, grantable, create_if_not_exists, expires_at, note, source, inherit_option, set_option)
    VALUES ("grant".role_name, "grant".privilege, "grant".object_type, "grant".schema_name, "grant".object_name, "grant".name_match,
        "grant".column_name, "grant".direct, "grant".grantable, "grant".create_if_not_exists, "grant".expires_at, "grant".note,
        "grant".source, "grant".inherit_option, "grant".set_option)
    -- Also where nothing changes: it queues the role again.
    ON CONFLICT (role_name, selector) DO UPDATE
    SET direct = excluded.direct, grantable = excluded.grantable, create_if_not_exists = excluded.create_if_not_exists,
        expires_at = excluded.expires_at, note = coalesce(excluded.note, g.note), source = coalesce(g.source, excluded.source),
        inherit_option = excluded.inherit_option, set_option = excluded.set_option
    RETURNING g.id;
END;

COMMENT ON FUNCTION
    sync_roles.grant(text, text, text, text, text, text, text, boolean, boolean, boolean, timestamptz, text, text, boolean, boolean) IS
    'Writes a row of desired_grants, and returns its id. A row that is there becomes what the call says (without a note it keeps its own, '
    'and a source that it has stays), and its role is queued again. With the rights of the caller.';

UPDATE sync_roles.installation SET schema_version = 21;
