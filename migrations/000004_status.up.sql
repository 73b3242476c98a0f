-- What people and programs look at.

CREATE VIEW sync_roles.role_status AS
WITH RECURSIVE granted (role_name) AS (
    -- The names in the index, one step each: DISTINCT would read every row.
    (SELECT g.role_name FROM sync_roles.desired_grants AS g ORDER BY g.role_name LIMIT 1)
    UNION ALL
    SELECT (SELECT g.role_name FROM sync_roles.desired_grants AS g WHERE g.role_name > n.role_name ORDER BY g.role_name LIMIT 1)
    FROM granted AS n
    WHERE n.role_name IS NOT NULL
),
managed AS (
    SELECT n.role_name FROM granted AS n WHERE n.role_name IS NOT NULL
    UNION
    SELECT r.role_name FROM sync_roles.desired_roles AS r
    -- Roles of which the last row has gone, until what it gave is taken away.
    UNION
    SELECT w.role_name FROM sync_roles.withdrawn AS w
    UNION
    SELECT p.role_name FROM sync_roles.pending AS p WHERE p.role_name IS NOT NULL
),
-- What an intermediate role cannot have, its members lack.
lacking AS MATERIALIZED (
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
        WHEN a.outcome IN ('applied', 'unchanged', 'waiting') AND l.problems IS NOT NULL THEN 'blocked'
        WHEN a.outcome IN ('applied', 'unchanged') THEN 'in_sync'
        ELSE a.outcome
    END AS status,
    a.outcome,
    a.cause,
    coalesce(a.problems, '[]') || coalesce(l.problems, '[]') AS problems,
    a.error,
    a.at AS changed_at,
    coalesce(t.attempt, 0) AS attempts,
    t.next_retry_at,
    p.since AS pending_since
FROM managed AS m
LEFT JOIN LATERAL (
    SELECT a.outcome, a.cause, a.problems, a.error, a.at
    FROM sync_roles.audit AS a
    WHERE a.role_name = m.role_name
    ORDER BY a.id DESC
    LIMIT 1
) AS a ON true
LEFT JOIN sync_roles.retries AS t ON t.role_name = m.role_name
LEFT JOIN lacking AS l ON l.role_name = m.role_name
LEFT JOIN (
    SELECT p.role_name, min(p.queued_at) AS since
    FROM sync_roles.pending AS p
    WHERE p.role_name IS NOT NULL
    GROUP BY p.role_name
) AS one ON one.role_name = m.role_name
CROSS JOIN LATERAL (
    SELECT least(one.since, (SELECT min(p.queued_at) FROM sync_roles.pending AS p WHERE p.role_name IS NULL)) AS since
) AS p;

COMMENT ON VIEW sync_roles.role_status IS 'Each managed role, and how it is; also roles of which the last row has gone, until what it gave is taken away.';
COMMENT ON COLUMN sync_roles.role_status.role_name IS 'The role.';
COMMENT ON COLUMN sync_roles.role_status.status IS 'in_sync, pending, waiting (some objects do not exist yet), refused, blocked, failed or held.';
COMMENT ON COLUMN sync_roles.role_status.outcome IS 'How its last audited pass ended.';
COMMENT ON COLUMN sync_roles.role_status.cause IS 'Why that pass looked at it.';
COMMENT ON COLUMN sync_roles.role_status.problems IS 'What could not be done, as in audit, for the role itself and for its intermediate roles.';
COMMENT ON COLUMN sync_roles.role_status.error IS 'The error of a failed pass.';
COMMENT ON COLUMN sync_roles.role_status.changed_at IS 'When that pass wrote its audit row.';
COMMENT ON COLUMN sync_roles.role_status.attempts IS 'How many passes failed in a row.';
COMMENT ON COLUMN sync_roles.role_status.next_retry_at IS 'When a failed role is tried again.';
COMMENT ON COLUMN sync_roles.role_status.pending_since IS 'Since when a request for it is in the queue.';

CREATE VIEW sync_roles.grant_status AS
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
        WHEN EXISTS (SELECT FROM sync_roles.pending AS p WHERE p.role_name = g.role_name OR p.role_name IS NULL) OR a.outcome IS NULL THEN 'pending'
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
    CASE
        WHEN problem.reason IS NOT NULL THEN problem.reason
        WHEN through.problems IS NOT NULL THEN (SELECT string_agg(DISTINCT p ->> 'reason', '; ') FROM jsonb_array_elements(through.problems) AS p)
        WHEN a.outcome = 'failed' AND found.missing > 0 THEN a.error
        -- What PostgreSQL refused is known by its statement.
        WHEN a.outcome = 'blocked' AND found.missing > 0 THEN (SELECT string_agg(DISTINCT p ->> 'reason', '; ') FROM jsonb_array_elements(a.problems) AS p WHERE p -> 'grant_id' IS NULL)
        WHEN found.matches = 0 THEN 'nothing that exists answers to this name'
        WHEN found.missing > 0 THEN 'not yet granted'
        WHEN g.schema_name IS NOT NULL AND g.privilege <> 'OWNER' AND r.oid IS NOT NULL AND n.oid IS NOT NULL
            AND NOT has_schema_privilege(r.oid, n.oid, 'USAGE')
            THEN format('granted, but of no use yet: %s has no USAGE on schema %s', g.role_name, g.schema_name)
    END AS reason
FROM sync_roles.desired_grants AS g
LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = g.role_name
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = g.schema_name
LEFT JOIN LATERAL (
    SELECT i.role_name, i.problems
    FROM sync_roles.intermediate_roles AS i
    JOIN sync_roles.memberships AS m ON m.role_oid = i.role_oid AND m.member_oid = r.oid AND m.inherit_option
    WHERE i.object_type = g.object_type AND i.object_name = g.object_name AND i.privilege = g.privilege
        AND coalesce(i.schema_name, '') = coalesce(g.schema_name, '') AND i.name_match = g.name_match
        AND coalesce(i.column_name, '') = coalesce(g.column_name, '')
        AND g.direct IS NOT TRUE AND NOT g.grantable
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
    WHERE p.grant_id = g.id OR p.grant_id IS NULL AND p.privilege IS NULL AND p.object = 'role ' || g.role_name AND p.kind IN ('refused', 'blocked')
    GROUP BY p.kind
    ORDER BY array_position('{blocked,refused,waiting}', p.kind)
    LIMIT 1
) AS problem ON true
CROSS JOIN LATERAL (
    SELECT count(DISTINCT o.object_oid) AS matches,
        count(*) FILTER (WHERE NOT h.direct AND through.role_name IS NULL AND h.python_role IS NULL) AS missing,
        min(h.python_role) FILTER (WHERE NOT h.direct) AS python_role
    FROM (
        SELECT o.*
        FROM sync_roles.objects AS o
        WHERE g.name_match = 'exact' AND o.object_type = g.object_type AND o.schema_name = coalesce(g.schema_name, '')
            AND o.object_name = CASE WHEN g.object_type = 'routine' THEN split_part(g.object_name, '(', 1) ELSE g.object_name END
            AND (g.object_type <> 'routine' OR g.object_name IN (o.object_name, o.signature))
        UNION ALL
        SELECT o.*
        FROM sync_roles.objects AS o
        WHERE g.name_match <> 'exact' AND o.object_type = g.object_type AND o.schema_name = coalesce(g.schema_name, '')
            AND sync_roles.name_matches(o.object_name, g.object_name, g.name_match)
    ) AS o
    LEFT JOIN pg_catalog.pg_attribute AS c
        ON g.column_name IS NOT NULL AND c.attrelid = o.object_oid AND c.attname = g.column_name AND NOT c.attisdropped
    LEFT JOIN LATERAL unnest(sync_roles.privileges_of(g.object_type)) AS p (privilege) ON g.privilege IN (p.privilege, 'ALL')
    CROSS JOIN LATERAL (
        SELECT
            CASE g.privilege
                WHEN 'OWNER' THEN o.owner = r.oid
                WHEN 'MEMBER' THEN EXISTS (SELECT FROM sync_roles.memberships AS m WHERE m.role_oid = o.object_oid AND m.member_oid = r.oid AND m.set_option)
                ELSE g.direct IS NOT FALSE AND EXISTS (
                    SELECT
                    FROM aclexplode(CASE WHEN g.column_name IS NULL THEN o.acl ELSE sync_roles.unpacked(c.attacl) END) AS a
                    WHERE a.grantee = CASE WHEN g.role_name = 'public' THEN 0 ELSE r.oid END AND a.privilege_type = p.privilege AND (a.is_grantable OR NOT g.grantable)
                )
            END AS direct,
            CASE WHEN (SELECT EXISTS (SELECT FROM pg_catalog.pg_roles AS l WHERE l.rolname LIKE '\_pgsr\_local\_%' OR l.rolname LIKE '\_pgsr\_global\_%')) THEN (
                SELECT y.role_name
                FROM python AS y
                WHERE g.direct IS NOT TRUE AND y.member_oid = r.oid
                    AND y.class_oid = o.class_oid AND y.object_oid = o.object_oid AND y.privilege = p.privilege
            ) END AS python_role
    ) AS h
    WHERE g.column_name IS NULL OR c.attnum IS NOT NULL
) AS found;

COMMENT ON VIEW sync_roles.grant_status IS 'Each desired grant, and what became of it.';
COMMENT ON COLUMN sync_roles.grant_status.id IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.grant_status.role_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.grant_status.privilege IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.grant_status.object_type IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.grant_status.schema_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.grant_status.object_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.grant_status.name_match IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.grant_status.column_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.grant_status.status IS 'applied, pending, waiting, refused, blocked, failed or held.';
COMMENT ON COLUMN sync_roles.grant_status.encoding IS 'direct: on the object itself; intermediate: through a role.';
COMMENT ON COLUMN sync_roles.grant_status.via IS 'The intermediate role.';
COMMENT ON COLUMN sync_roles.grant_status.matches IS 'How many objects answer to the name now.';
COMMENT ON COLUMN sync_roles.grant_status.reason IS 'Why it is so, where that is not obvious.';

CREATE VIEW sync_roles.actual_grants AS
WITH managed AS MATERIALIZED (
    SELECT s.role_name, CASE WHEN s.role_name = 'public' THEN 0 ELSE r.oid END AS oid
    FROM sync_roles.role_status AS s
    LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = s.role_name
    WHERE r.oid IS NOT NULL OR s.role_name = 'public'
),
-- Who holds for whom: each role for itself, and intermediate roles for their members.
holders AS MATERIALIZED (
    SELECT m.role_name, m.oid AS holder, NULL::text AS via
    FROM managed AS m
    UNION ALL
    SELECT m.role_name, i.role_oid, r.rolname::text
    FROM managed AS m
    JOIN sync_roles.memberships AS s ON s.member_oid = m.oid AND s.inherit_option
    JOIN (
        SELECT i.role_oid FROM sync_roles.intermediate_roles AS i
        UNION
        SELECT p.role_oid FROM sync_roles.python_intermediate_roles AS p
    ) AS i ON i.role_oid = s.role_oid
    JOIN pg_catalog.pg_roles AS r ON r.oid = i.role_oid
),
entries AS (
    SELECT o.object_type, o.schema_name, coalesce(o.signature, o.object_name::text) AS object_name, NULL::text AS column_name, o.owner, a.grantor, a.grantee, a.privilege_type, a.is_grantable
    FROM sync_roles.objects AS o
    CROSS JOIN LATERAL aclexplode(o.acl) AS a
    UNION ALL
    SELECT o.object_type, o.schema_name, o.object_name::text, c.attname::text, o.owner, a.grantor, a.grantee, a.privilege_type, a.is_grantable
    FROM sync_roles.objects AS o
    JOIN pg_catalog.pg_attribute AS c ON c.attrelid = o.object_oid AND c.attacl IS NOT NULL AND NOT c.attisdropped
    CROSS JOIN LATERAL aclexplode(sync_roles.unpacked(c.attacl)) AS a
    WHERE o.object_type = 'table'
)
SELECT h.role_name, e.privilege_type AS privilege, e.object_type, nullif(e.schema_name, '')::text AS schema_name, e.object_name, e.column_name,
    e.is_grantable AS grantable, g.rolname::text AS grantor, h.via
FROM holders AS h
JOIN entries AS e ON e.grantee = h.holder AND e.grantee <> e.owner
LEFT JOIN pg_catalog.pg_roles AS g ON g.oid = e.grantor
UNION ALL
SELECT m.role_name, 'OWNER', o.object_type, nullif(o.schema_name, '')::text, coalesce(o.signature, o.object_name::text), NULL, false, NULL, NULL
FROM managed AS m
JOIN sync_roles.objects AS o ON o.owner = m.oid
UNION ALL
SELECT m.role_name, 'MEMBER', 'role', NULL, r.rolname::text, NULL, s.admin_option, g.rolname::text, NULL
FROM managed AS m
JOIN sync_roles.memberships AS s ON s.member_oid = m.oid AND (s.inherit_option OR s.set_option)
JOIN pg_catalog.pg_roles AS r ON r.oid = s.role_oid
LEFT JOIN pg_catalog.pg_roles AS g ON g.oid = s.grantor_oid
WHERE NOT EXISTS (SELECT FROM holders AS h WHERE h.role_name = m.role_name AND h.holder = s.role_oid AND h.via IS NOT NULL);

COMMENT ON VIEW sync_roles.actual_grants IS 'What managed roles hold now, in the words of desired_grants. What owning an object implies is not listed.';
COMMENT ON COLUMN sync_roles.actual_grants.role_name IS 'The role.';
COMMENT ON COLUMN sync_roles.actual_grants.privilege IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.actual_grants.object_type IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.actual_grants.schema_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.actual_grants.object_name IS 'As in desired_grants; routines as name(argument types).';
COMMENT ON COLUMN sync_roles.actual_grants.column_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.actual_grants.grantable IS 'WITH GRANT OPTION, or WITH ADMIN OPTION.';
COMMENT ON COLUMN sync_roles.actual_grants.grantor IS 'Who granted it.';
COMMENT ON COLUMN sync_roles.actual_grants.via IS 'The intermediate role that holds it for the role.';

-- Without WITH, so that conditions on role and object reach the catalogs' indexes.
CREATE VIEW sync_roles.effective_grants AS
SELECT r.rolname::text AS role_name, p.privilege, o.object_type, nullif(o.schema_name, '')::text AS schema_name,
    coalesce(o.signature, o.object_name::text) AS object_name, NULL::text AS column_name
FROM sync_roles.objects AS o
CROSS JOIN LATERAL unnest(sync_roles.privileges_of(o.object_type)) AS p (privilege)
CROSS JOIN pg_catalog.pg_roles AS r
WHERE o.object_type <> 'role'
    AND (
        r.rolsuper
        OR EXISTS (
            SELECT
            FROM aclexplode(o.acl) AS a
            WHERE a.privilege_type = p.privilege AND (a.grantee = 0 OR pg_has_role(r.oid, a.grantee, 'USAGE'))
                -- A parameter on which nothing was ever granted has no ACL, not even an owner's.
                AND o.object_oid <> 0
        )
        -- What predefined roles have on everything: pg_class_aclmask_ext and pg_namespace_aclmask_ext in aclchk.c.
        OR o.object_type IN ('table', 'sequence') AND p.privilege = 'SELECT' AND pg_has_role(r.oid, 'pg_read_all_data', 'USAGE')
        OR o.object_type IN ('table', 'sequence') AND p.privilege IN ('INSERT', 'UPDATE', 'DELETE') AND pg_has_role(r.oid, 'pg_write_all_data', 'USAGE')
        OR o.object_type = 'table' AND p.privilege = 'MAINTAIN' AND pg_has_role(r.oid, to_regrole('pg_maintain'), 'USAGE')
        OR o.object_type = 'schema' AND p.privilege = 'USAGE'
            AND (pg_has_role(r.oid, 'pg_read_all_data', 'USAGE') OR pg_has_role(r.oid, 'pg_write_all_data', 'USAGE'))
    )
UNION ALL
SELECT r.rolname::text, a.privilege_type, o.object_type, o.schema_name::text, o.object_name::text, c.attname::text
FROM sync_roles.objects AS o
JOIN pg_catalog.pg_attribute AS c ON c.attrelid = o.object_oid AND c.attacl IS NOT NULL AND NOT c.attisdropped
CROSS JOIN LATERAL (
    SELECT DISTINCT a.privilege_type, a.grantee
    FROM aclexplode(sync_roles.unpacked(c.attacl)) AS a
) AS a
JOIN pg_catalog.pg_roles AS r ON a.grantee = 0 OR pg_has_role(r.oid, a.grantee, 'USAGE')
WHERE o.object_type = 'table'
GROUP BY 1, 2, 3, 4, 5, 6;

COMMENT ON VIEW sync_roles.effective_grants IS 'Who can do what, by whatever way: the privileges that each role of the cluster has by its own ACL entries, PUBLIC, memberships it inherits from, owning, predefined roles, or as a superuser. Ask for a role or an object: all with all are many. It does not say whether the role may CONNECT or has USAGE on the schema.';
COMMENT ON COLUMN sync_roles.effective_grants.role_name IS 'The role.';
COMMENT ON COLUMN sync_roles.effective_grants.privilege IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.effective_grants.object_type IS 'As in desired_grants, but for memberships.';
COMMENT ON COLUMN sync_roles.effective_grants.schema_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.effective_grants.object_name IS 'As in desired_grants; routines as name(argument types).';
COMMENT ON COLUMN sync_roles.effective_grants.column_name IS 'A column on which alone it has the privilege; NULL: the object.';

CREATE FUNCTION sync_roles.wait_for_sync(role_name text DEFAULT NULL, timeout interval DEFAULT '30 s') RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted constant text := wait_for_sync.role_name;
    deadline constant timestamptz := clock_timestamp() + wait_for_sync.timeout;
    waited_for bigint[];
    bad record;
    pause double precision := 0.002;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING ERRCODE = 'active_sql_transaction',
            MESSAGE = format('wait_for_sync cannot see what others commit in a %s transaction', current_setting('transaction_isolation')),
            HINT = 'Call it in a READ COMMITTED transaction.';
    END IF;
    IF EXISTS (
        SELECT FROM sync_roles.pending AS p
        WHERE (wanted IS NULL OR p.role_name = wanted OR p.role_name IS NULL)
            AND p.transaction = pg_current_xact_id_if_assigned()
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'active_sql_transaction',
            MESSAGE = 'wait_for_sync would wait for rows of this very transaction, which nobody sees before it commits',
            HINT = 'COMMIT first.';
    END IF;

    SELECT array_agg(p.id) INTO waited_for
    FROM sync_roles.pending AS p
    WHERE wanted IS NULL OR p.role_name = wanted OR p.role_name IS NULL;

    LOOP
        IF NOT EXISTS (SELECT FROM sync_roles.pending AS p WHERE p.id = ANY (waited_for)) THEN
            SELECT s.role_name, s.status, s.error,
                (SELECT string_agg(p ->> 'reason', '; ') FROM jsonb_array_elements(s.problems) AS p) AS reasons
            INTO bad
            FROM sync_roles.role_status AS s
            WHERE s.role_name = wanted AND s.status IN ('refused', 'blocked', 'held', 'failed');
            EXIT WHEN NOT FOUND;
            -- What failed is tried again: that is worth waiting for.
            IF bad.status <> 'failed' OR clock_timestamp() >= deadline THEN
                RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
                    MESSAGE = format('role %s is %s: %s', quote_literal(bad.role_name), bad.status, coalesce(bad.error, bad.reasons, 'no reason recorded')),
                    HINT = 'See sync_roles.role_status and sync_roles.grant_status.';
            END IF;
        ELSIF clock_timestamp() >= deadline THEN
            RAISE EXCEPTION USING ERRCODE = 'query_canceled',
                MESSAGE = format('not in sync within %s: %s requests are still in the queue', wait_for_sync.timeout,
                    (SELECT count(*) FROM sync_roles.pending AS p WHERE p.id = ANY (waited_for))),
                HINT = 'Is pg-sync-roles running?';
        END IF;
        PERFORM pg_sleep(least(pause, greatest(extract(epoch FROM deadline - clock_timestamp())::double precision, 0)));
        pause := least(pause * 1.5, 0.1);
    END LOOP;
END
$$;

COMMENT ON FUNCTION sync_roles.wait_for_sync(text, interval) IS 'Returns when all that was committed before has been dealt with, for one role or for all. An error if that takes too long; for one role, also if it did not come in sync.';

UPDATE sync_roles.installation SET schema_version = 4;
