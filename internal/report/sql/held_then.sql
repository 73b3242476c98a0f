-- The beginning of a query: what every role held at a time, as far as it is on record.
-- $1 timestamptz: when
-- $2 text[]: only these roles, and PUBLIC; NULL: all
WITH RECURSIVE periods AS MATERIALIZED (
    SELECT p.role_name, p.privilege, p.object_type, coalesce(p.schema_name, '') AS schema_name, p.object_name,
        coalesce(p.column_name, '') AS column_name, p.passes_on, bool_or(p.grantable) AS grantable,
        string_agg(DISTINCT quote_ident(p.grantor), ', ') AS grantors, min(lower(p.valid)) AS since,
        (array_agg(p.pass IS NOT NULL ORDER BY lower(p.valid)))[1] AS exact
    FROM sync_roles.access_periods AS p
    WHERE p.valid @> $1::timestamptz
    GROUP BY 1, 2, 3, 4, 5, 6, 7
),
intermediates AS MATERIALIZED (
    SELECT DISTINCT p.object_name AS role_name FROM periods AS p WHERE p.passes_on
    UNION
    SELECT i.role_name FROM sync_roles.intermediate_roles AS i
),
managed AS MATERIALIZED (
    SELECT m.role_name FROM sync_roles.managed_periods AS m WHERE m.valid @> $1
),
starts AS MATERIALIZED (
    SELECT DISTINCT NULL::oid AS oid, p.role_name
    FROM periods AS p
    WHERE NOT starts_with(p.role_name, 'pg_') AND p.role_name NOT IN (SELECT i.role_name FROM intermediates AS i)
        AND ($2::text[] IS NULL OR p.role_name = ANY ($2) OR p.role_name = 'public')
),
roles AS (
    SELECT s.oid, s.role_name, false AS superuser FROM starts AS s
),
held AS MATERIALIZED (
    SELECT row_number() OVER () AS number, p.role_name, p.privilege, p.object_type, p.schema_name, p.object_name,
        p.column_name, p.grantable, coalesce(p.grantors, '') AS grantors,
        CASE p.privilege WHEN 'OWNER' THEN 'owner' WHEN 'MEMBER' THEN 'member' ELSE 'granted' END AS means, '' AS through,
        false AS possible, 1::bigint AS objects, p.via, NULL::oid AS schema_oid, NULL::oid AS code_class_oid, NULL::oid AS code_oid,
        p.privilege AS code_privilege, p.object_type AS code_type, p.schema_name AS code_schema, p.object_name AS code_name,
        sync_roles.own_name(p.object_type, p.object_name) AS code_own_name, p.column_name AS code_column, p.since, p.exact
    FROM (
        SELECT p.role_name, p.privilege, p.object_type, p.schema_name, p.object_name, p.column_name, p.grantable, p.grantors, '' AS via,
            p.since, p.exact
        FROM periods AS p
        WHERE NOT p.passes_on
        UNION ALL
        SELECT m.role_name, p.privilege, p.object_type, p.schema_name, p.object_name, p.column_name, p.grantable, p.grantors, m.object_name,
            greatest(p.since, m.since), p.exact AND m.exact
        FROM periods AS m
        JOIN periods AS p ON p.role_name = m.object_name AND NOT p.passes_on AND p.privilege <> 'OWNER' AND p.object_type <> 'role'
        WHERE m.passes_on
    ) AS p
),
edges AS MATERIALIZED (
    SELECT h.role_name AS member_name, h.object_name AS role_name, true AS inherits, true AS sets
    FROM held AS h
    WHERE h.privilege = 'MEMBER'
)
