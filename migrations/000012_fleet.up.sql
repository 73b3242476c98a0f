-- Several databases of one cluster.

CREATE TABLE sync_roles.contested (
    role_name text COLLATE "C" PRIMARY KEY,
    problems  jsonb NOT NULL,
    since     timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE sync_roles.contested IS 'Roles whose attributes, memberships or privileges on shared objects something else keeps undoing. Written only by the daemon.';
COMMENT ON COLUMN sync_roles.contested.role_name IS 'The role.';
COMMENT ON COLUMN sync_roles.contested.problems IS 'What is changed back, and which database does it, as in audit.problems.';
COMMENT ON COLUMN sync_roles.contested.since IS 'When that was noticed.';

CREATE FUNCTION sync_roles.is_shared_change(sql text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
-- Names are quoted in all statements of the daemon, and privileges are not.
RETURN sql ~ '^ALTER ROLE ' AND sql !~ '^ALTER ROLE "([^"]|"")*" (IN DATABASE|RENAME|PASSWORD) '
    OR sql ~ '^(GRANT|REVOKE( [A-Z]+ OPTION FOR)?) "' AND sql !~ '^(GRANT|REVOKE( [A-Z]+ OPTION FOR)?) "_pgsr_'
    OR sql ~ '^(GRANT|REVOKE) [A-Z, ]+ ON (DATABASE|TABLESPACE|PARAMETER) ';

COMMENT ON FUNCTION sync_roles.is_shared_change(text) IS
'Whether a statement of audit changes what the databases of a cluster share: attributes of a role, memberships (but those in intermediate roles), '
'privileges on databases, tablespaces and parameters.';

CREATE OR REPLACE VIEW sync_roles.role_status AS
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

UPDATE sync_roles.installation SET schema_version = 12;
