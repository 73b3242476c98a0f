-- What a row points at, as one text: the key of rows and of the registry of intermediate roles.

-- Nothing in it is quoted but what something follows, so that no name gets longer than an index can hold; the name comes last.
CREATE FUNCTION sync_roles.selector(privilege text, object_type text, schema_name text, object_name text, name_match text, column_name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN privilege || coalesce(' ("' || replace(column_name, '"', '""') || '")', '') || ' on ' || object_type
    || coalesce(' in "' || replace(schema_name, '"', '""') || '"', '')
    || CASE name_match WHEN 'exact' THEN '' ELSE ' ' || name_match END || ': ' || object_name;

COMMENT ON FUNCTION sync_roles.selector(text, text, text, text, text, text) IS 'What a row of desired_grants points at, in its canonical text, such as: SELECT on table in "app" like: mart_%.';

CREATE FUNCTION sync_roles.own_name(object_type text, object_name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN object_type = 'routine' THEN split_part(object_name, '(', 1) ELSE object_name END;

COMMENT ON FUNCTION sync_roles.own_name(text, text) IS 'The name by which the catalog knows what an exact row names: a routine''s without its arguments.';

-- Which objects a row means. They are inlined where they are called: each branch of find_objects runs only for its kind of name, and what has an index is
-- found by it.
CREATE FUNCTION sync_roles.find_objects(object_type text, schema_name text, desired_name text, name_match text) RETURNS SETOF sync_roles.objects
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT o.*
    FROM sync_roles.objects AS o
    WHERE find_objects.name_match = 'exact' AND o.object_type = find_objects.object_type AND o.schema_name = find_objects.schema_name
        AND o.object_name = sync_roles.own_name(find_objects.object_type, find_objects.desired_name)
        AND (find_objects.desired_name = o.object_name OR find_objects.desired_name = o.signature)
    UNION ALL
    SELECT o.*
    FROM sync_roles.objects AS o
    -- Not "<> 'exact'": the planner would take nearly all for patterns, and reserve memory for what they might find.
    WHERE find_objects.name_match IN ('like', 'regex') AND o.object_type = find_objects.object_type AND o.schema_name = find_objects.schema_name
        AND sync_roles.name_matches(o.object_name, find_objects.desired_name, find_objects.name_match)
        -- Not a parameter that only rows name: see sync_roles.parameters.
        AND (o.object_oid <> 0 OR o.acl IS NOT NULL);
END;

COMMENT ON FUNCTION sync_roles.find_objects(text, text, text, text) IS 'The objects that a row means: all overloads of a bare routine name, one by its signature, and those whose own name a pattern matches.';

CREATE FUNCTION sync_roles.find_remembered(object_type text, schema_name text, desired_name text, name_match text) RETURNS SETOF sync_roles.resolved_objects
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT r.*
    FROM sync_roles.resolved_objects AS r
    WHERE find_remembered.name_match = 'exact' AND r.object_type = find_remembered.object_type AND r.schema_name = find_remembered.schema_name
        AND r.object_name = sync_roles.own_name(find_remembered.object_type, find_remembered.desired_name)
        AND (find_remembered.desired_name = r.object_name OR find_remembered.desired_name = r.signature)
    UNION ALL
    SELECT r.*
    FROM sync_roles.resolved_objects AS r
    WHERE find_remembered.name_match IN ('like', 'regex') AND r.object_type = find_remembered.object_type AND r.schema_name = find_remembered.schema_name
        AND sync_roles.name_matches(r.object_name, find_remembered.desired_name, find_remembered.name_match);
END;

COMMENT ON FUNCTION sync_roles.find_remembered(text, text, text, text) IS 'The objects that a row last meant, whatever their names are now: as find_objects.';

CREATE FUNCTION sync_roles.means(desired_name text, name_match text, object_name text, signature text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE name_match
    WHEN 'exact' THEN desired_name = object_name OR desired_name = signature
    ELSE sync_roles.name_matches(object_name, desired_name, name_match)
END;

COMMENT ON FUNCTION sync_roles.means(text, text, text, text) IS 'Whether a row that names desired_name means the object of this name; a routine also has a signature. As find_objects, for an object at hand.';

ALTER TABLE sync_roles.desired_grants
    ADD COLUMN selector text COLLATE "C" NOT NULL
    GENERATED ALWAYS AS (sync_roles.selector(privilege, object_type, schema_name, object_name, name_match, column_name)) STORED;
ALTER TABLE sync_roles.withdrawn
    ADD COLUMN selector text COLLATE "C" NOT NULL
    GENERATED ALWAYS AS (sync_roles.selector(privilege, object_type, schema_name, object_name, name_match, column_name)) STORED;
ALTER TABLE sync_roles.intermediate_roles
    ADD COLUMN selector text COLLATE "C" NOT NULL
    GENERATED ALWAYS AS (sync_roles.selector(privilege, object_type, schema_name, object_name, name_match, column_name)) STORED;

COMMENT ON COLUMN sync_roles.desired_grants.selector IS 'What the row points at: privilege, column, type, schema, how the name is compared, and the name. Unique together with role_name.';
COMMENT ON COLUMN sync_roles.withdrawn.selector IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.intermediate_roles.selector IS 'As in desired_grants: rows with it are fulfilled by membership.';

-- The older index by the single columns stays: upserts name it as their conflict target, and rows are looked up by the object's name.
CREATE UNIQUE INDEX desired_grants_role_name_selector ON sync_roles.desired_grants (role_name, selector);
DROP INDEX sync_roles.intermediate_roles_selector;
CREATE UNIQUE INDEX intermediate_roles_selector ON sync_roles.intermediate_roles (selector);

CREATE OR REPLACE VIEW sync_roles.grants_in_force AS
SELECT g.id, g.role_name, g.privilege, g.object_type, g.schema_name, g.object_name, g.name_match, g.column_name, g.direct, g.grantable,
    g.create_if_not_exists, g.expires_at, g.created_at, g.selector
FROM sync_roles.desired_grants AS g
WHERE g.expires_at IS NULL OR g.expires_at > now();

CREATE OR REPLACE VIEW sync_roles.matchable_grants AS
SELECT g.id, g.role_name, g.privilege, g.object_type, g.schema_name, g.object_name, g.name_match, g.column_name, g.direct, g.grantable,
    g.create_if_not_exists, g.expires_at, g.created_at, m.compared_as, g.selector
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

CREATE OR REPLACE VIEW sync_roles.desired_holdings AS
SELECT g.id, g.role_name, g.privilege, g.object_type, coalesce(g.schema_name, '') AS schema_name, g.object_name,
    g.name_match, coalesce(g.column_name, '') AS column_name, g.direct, g.grantable, g.compared_as, g.selector
FROM sync_roles.matchable_grants AS g
UNION ALL
SELECT NULL, i.role_name, i.privilege, i.object_type, coalesce(i.schema_name, ''), i.object_name,
    i.name_match, coalesce(i.column_name, ''), true, false, m.compared_as, i.selector
FROM sync_roles.intermediate_roles AS i
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN i.name_match = 'exact' THEN i.name_match
        WHEN NOT EXISTS (
            SELECT
            FROM sync_roles.costly_patterns AS c
            WHERE c.object_name = i.object_name AND c.object_type = i.object_type AND c.schema_name = coalesce(i.schema_name, '')
                AND c.name_match = i.name_match
        ) THEN i.name_match
    END AS compared_as
) AS m
WHERE m.compared_as IS NOT NULL;

COMMENT ON COLUMN sync_roles.grants_in_force.selector IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.matchable_grants.selector IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.desired_holdings.selector IS 'As in desired_grants.';

-- Kinds of revoke_other. ------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION sync_roles.covers(revoke_other text[], object_type text, privilege text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN revoke_other && ARRAY['all', object_type || 's']
    OR object_type = 'table' AND privilege = 'SELECT' AND 'table_selects' = ANY (revoke_other)
    OR object_type = 'schema' AND privilege = 'USAGE' AND 'schema_usage' = ANY (revoke_other);

COMMENT ON FUNCTION sync_roles.covers(text[], text, text) IS 'Whether desired_roles.revoke_other is about a privilege on objects of a type. Memberships and ownerships have kinds of their own.';

-- Owners. ---------------------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION sync_roles.follows_table(class_oid oid, object_oid oid) RETURNS boolean
LANGUAGE sql STABLE
RETURN EXISTS (
    SELECT
    FROM pg_catalog.pg_depend AS d
    WHERE d.classid = follows_table.class_oid AND d.objid = follows_table.object_oid AND d.deptype IN ('a', 'i')
        AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjsubid > 0
);

COMMENT ON FUNCTION sync_roles.follows_table(oid, oid) IS 'Whether an object, such as a sequence, belongs to a column, and so has the owner of its table.';

-- Managed roles. --------------------------------------------------------------------------------------------------------------------------

CREATE VIEW sync_roles.managed_roles AS
WITH RECURSIVE granted (role_name) AS (
    -- The names in the index, one step each: DISTINCT would read every row.
    (SELECT g.role_name FROM sync_roles.desired_grants AS g ORDER BY g.role_name LIMIT 1)
    UNION ALL
    SELECT (SELECT g.role_name FROM sync_roles.desired_grants AS g WHERE g.role_name > n.role_name ORDER BY g.role_name LIMIT 1)
    FROM granted AS n
    WHERE n.role_name IS NOT NULL
)
SELECT n.role_name FROM granted AS n WHERE n.role_name IS NOT NULL
UNION
SELECT r.role_name FROM sync_roles.desired_roles AS r
-- Roles whose last row is gone, until what it gave is taken away.
UNION
SELECT w.role_name FROM sync_roles.withdrawn AS w
UNION
SELECT p.role_name FROM sync_roles.pending AS p WHERE p.role_name IS NOT NULL;

COMMENT ON VIEW sync_roles.managed_roles IS 'The managed roles: those that a row names, and those whose last row is gone and was not yet dealt with.';
COMMENT ON COLUMN sync_roles.managed_roles.role_name IS 'The role.';

-- The view would list all of them to find one.
CREATE FUNCTION sync_roles.is_managed(role_name text) RETURNS boolean
LANGUAGE sql STABLE
RETURN EXISTS (SELECT FROM sync_roles.desired_grants AS g WHERE g.role_name = is_managed.role_name)
    OR EXISTS (SELECT FROM sync_roles.desired_roles AS r WHERE r.role_name = is_managed.role_name)
    OR EXISTS (SELECT FROM sync_roles.withdrawn AS w WHERE w.role_name = is_managed.role_name)
    OR EXISTS (SELECT FROM sync_roles.pending AS p WHERE p.role_name = is_managed.role_name);

COMMENT ON FUNCTION sync_roles.is_managed(text) IS 'Whether a role is in managed_roles.';

CREATE OR REPLACE VIEW sync_roles.role_status AS
-- What an intermediate role cannot have, its members lack.
WITH lacking AS MATERIALIZED (
    SELECT u.rolname::text AS role_name, jsonb_agg(DISTINCT p.problem) AS problems
    FROM sync_roles.intermediate_roles AS i
    CROSS JOIN LATERAL jsonb_array_elements(i.problems) AS p (problem)
    JOIN sync_roles.memberships AS m ON m.role_oid = i.role_oid AND m.inherit_option
    JOIN pg_catalog.pg_roles AS u ON u.oid = m.member_oid
    WHERE i.problems IS NOT NULL
    GROUP BY 1
)
SELECT m.role_name,
    CASE
        WHEN p.since IS NOT NULL OR a.outcome IS NULL THEN 'pending'
        WHEN a.outcome IN ('applied', 'unchanged', 'waiting') AND (l.problems IS NOT NULL OR c.problems IS NOT NULL) THEN 'blocked'
        WHEN a.outcome IN ('applied', 'unchanged') THEN 'in_sync'
        ELSE a.outcome
    END AS status,
    a.outcome,
    a.cause,
    coalesce(a.problems, '[]') || coalesce(l.problems, '[]') || coalesce(c.problems, '[]') AS problems,
    a.error,
    a.at AS changed_at,
    coalesce(t.attempt, 0) AS attempts,
    t.next_retry_at,
    p.since AS pending_since
FROM sync_roles.managed_roles AS m
LEFT JOIN LATERAL (
    SELECT a.outcome, a.cause, a.problems, a.error, a.at
    FROM sync_roles.audit AS a
    WHERE a.role_name = m.role_name
    ORDER BY a.id DESC
    LIMIT 1
) AS a ON true
LEFT JOIN sync_roles.retries AS t ON t.role_name = m.role_name
LEFT JOIN lacking AS l ON l.role_name = m.role_name
LEFT JOIN sync_roles.contested AS c ON c.role_name = m.role_name
LEFT JOIN (
    SELECT p.role_name, min(p.queued_at) AS since
    FROM sync_roles.pending AS p
    WHERE p.role_name IS NOT NULL
    GROUP BY p.role_name
) AS one ON one.role_name = m.role_name
CROSS JOIN LATERAL (
    SELECT least(one.since, (SELECT min(p.queued_at) FROM sync_roles.pending AS p WHERE p.role_name IS NULL)) AS since
) AS p;

CREATE OR REPLACE FUNCTION sync_roles.is_known_role(role_name text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN sync_roles.is_managed(is_known_role.role_name)
        -- Its last row may have gone, and been dealt with before the question.
        OR EXISTS (SELECT FROM sync_roles.audit AS a WHERE a.role_name = is_known_role.role_name);
END
$$;

-- Status. --------------------------------------------------------------------------------------------------------------------------------

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
                WHEN 'MEMBER' THEN EXISTS (
                    SELECT FROM sync_roles.memberships AS m WHERE m.role_oid = o.object_oid AND m.member_oid = r.oid AND m.set_option
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

-- Problems have codes from here on; the rows of the audit from before have none.
CREATE OR REPLACE VIEW sync_roles.my_problems WITH (security_barrier) AS
SELECT g.role_name, g.id AS grant_id, p.kind,
    -- The row that won may be out of sight.
    CASE p.code
        WHEN 'owner_conflict' THEN format('%s is to belong to another role: an object has one owner', p.object)
        ELSE regexp_replace(p.reason, ', by desired grant [0-9]+', '')
    END AS reason,
    p.fix
FROM sync_roles.role_status AS s
CROSS JOIN LATERAL jsonb_to_recordset(s.problems) AS p (grant_id bigint, kind text, code text, object text, reason text, fix text)
JOIN sync_roles.desired_grants AS g ON g.id = p.grant_id AND g.role_name = s.role_name
WHERE EXISTS (
    SELECT FROM sync_roles.my_scopes AS c
    WHERE sync_roles.scope_problem(c, g.role_name, g.privilege, g.object_type, g.schema_name, g.object_name, g.name_match,
        false, NULL) IS NULL
);

UPDATE sync_roles.installation SET schema_version = 15;
