-- Schemas and types that are gone; or that bear a name that was another's, or have lost a name that rows use, and of which the catalog
-- row was written by
-- transaction $3 or a later one.
-- $1 oid[], $2 oid[]: catalog, object; $3 bigint: the first transaction ID that is young; 0: all are
-- The second result is what the next transaction's ID would be.
-- An xmin has 32 bits, and its age is how many IDs ago it was; 2147483647 for 1 and 2, of rows from initdb and of frozen ones.
WITH candidates AS (
    SELECT n.tableoid AS class_oid, n.oid AS object_oid, '' AS schema_name, n.nspname::text AS object_name, n.xmin AS writer
    FROM pg_catalog.pg_namespace AS n
    WHERE n.oid = ANY ($2::oid[])
    UNION ALL
    SELECT t.tableoid, t.oid, n.nspname, t.typname, t.xmin
    FROM pg_catalog.pg_type AS t
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
    WHERE t.oid = ANY ($2::oid[])
),
latest AS (SELECT x.id::text::bigint AS transaction_id, age(x.id::xid) AS age
    FROM (SELECT pg_snapshot_xmax(pg_current_snapshot()) AS id) AS x)
SELECT coalesce(array_agg(o.object_oid), '{}') AS oids, (SELECT l.transaction_id FROM latest AS l) AS next
FROM unnest($1::oid[], $2::oid[]) AS o (class_oid, object_oid)
LEFT JOIN candidates AS c ON c.class_oid = o.class_oid AND c.object_oid = o.object_oid
WHERE c.object_oid IS NULL
    OR age(c.writer)::bigint <= (SELECT l.transaction_id - $3 + l.age FROM latest AS l)
    AND EXISTS (
        SELECT FROM sync_roles.resolved_objects AS r
        WHERE r.class_oid = c.class_oid AND r.column_number = 0
            AND (r.object_oid = c.object_oid) <> (r.schema_name = c.schema_name AND r.object_name = c.object_name)
    );
