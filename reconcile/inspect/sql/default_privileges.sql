-- The default privileges that intermediate roles of a batch should have and do not, or have and should not; and those of exclusive roles.
-- One row for each creator, schema and type of objects.
-- $1 text[]: names of roles, intermediate roles among them
WITH holders AS MATERIALIZED (
    SELECT i.role_name, i.role_oid, i.object_type, p.privilege,
        sync_roles.compared_name(i.schema_name, i.schema_match, i.except_schemas) AS schema_name,
        sync_roles.compared_match(i.schema_match, i.except_schemas) AS schema_match,
        (
            SELECT true
            FROM sync_roles.grants_in_force AS g
            WHERE g.selector = i.selector AND g.at_creation
            LIMIT 1
        ) IS NOT NULL AS at_creation
    FROM sync_roles.intermediate_roles AS i
    CROSS JOIN LATERAL unnest(
        CASE WHEN i.privilege = 'ALL' THEN sync_roles.privileges_of(i.object_type) ELSE ARRAY[i.privilege] END
    ) AS p (privilege)
    WHERE i.role_name = ANY ($1)
),
creators AS MATERIALIZED (
    SELECT c.*
    FROM sync_roles.creators AS c
    WHERE EXISTS (SELECT FROM holders AS h WHERE h.at_creation)
),
desired AS MATERIALIZED (
    SELECT h.role_name, c.creator_oid, c.creator_name, c.schema_name, h.object_type, h.privilege
    FROM holders AS h
    JOIN creators AS c ON sync_roles.in_schema(c.schema_name, h.schema_name, h.schema_match)
    WHERE h.at_creation
),
actual AS MATERIALIZED (
    SELECT i.role_name, d.creator_oid, d.creator_name, coalesce(d.schema_name, '') AS schema_name, d.object_type, d.privilege
    FROM (SELECT DISTINCT h.role_name, h.role_oid FROM holders AS h) AS i
    JOIN sync_roles.default_privileges AS d ON d.grantee_oid = i.role_oid
),
-- Rows give default privileges to intermediate roles alone.
exclusive AS MATERIALIZED (
    SELECT b.role_name, d.creator_oid, d.creator_name, coalesce(d.schema_name, '') AS schema_name, d.object_type, d.privilege
    FROM (
        SELECT r.oid, r.rolname::text AS role_name
        FROM pg_catalog.pg_roles AS r
        WHERE r.rolname = ANY ($1)
        UNION ALL
        SELECT 0, 'public'
        WHERE 'public' = ANY ($1)
    ) AS b
    JOIN sync_roles.desired_roles AS x ON x.role_name = b.role_name AND 'default_privileges' = ANY (x.revoke_other)
    JOIN sync_roles.default_privileges AS d ON d.grantee_oid = b.oid AND d.creator_oid <> b.oid
    WHERE d.schema_name IS NULL OR NOT d.schema_name = ANY (x.preserve_existing_grants_in_schemas)
),
differences AS (
    SELECT m.*, false AS surplus
    FROM (SELECT * FROM desired EXCEPT SELECT * FROM actual) AS m
    UNION ALL
    SELECT s.*, true
    FROM (SELECT * FROM actual EXCEPT SELECT * FROM desired) AS s
    UNION ALL
    SELECT DISTINCT e.*, true
    FROM exclusive AS e
)
SELECT d.role_name, d.creator_oid, d.creator_name, d.schema_name, d.object_type, array_agg(d.privilege ORDER BY d.privilege) AS privileges,
    d.surplus
FROM differences AS d
GROUP BY d.role_name, d.creator_oid, d.creator_name, d.schema_name, d.object_type, d.surplus
ORDER BY d.surplus, d.role_name, d.schema_name, d.creator_name, d.object_type;
