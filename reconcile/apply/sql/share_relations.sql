-- Locks relations in ACCESS SHARE mode until the transaction ends, and counts those that no longer bear their names. LOCK TABLE takes a
-- privilege on them,
-- and knows no sequences; this function takes none, and keeps its lock (table_to_xmlschema in xml.c). Its result is of no interest. Once
-- a relation is locked,
-- regclass has its name as it is now, and not as it was when the statement began.
-- $1 oid[], $2 text[], $3 text[]: relations, their schemas and names; $4 int: so many at most, those first that changed last
SELECT count(CASE WHEN table_to_xmlschema(r.oid, false, false, '') IS NOT NULL AND r.oid::regclass::text <> r.name THEN true END)
FROM (
    SELECT r.oid, r.name
    FROM (
        SELECT o.oid, format('%I.%I', o.schema_name, o.relation_name) AS name
        FROM unnest($1::oid[], $2::text[], $3::text[]) AS o (oid, schema_name, relation_name)
        LEFT JOIN pg_catalog.pg_class AS c ON c.oid = o.oid
        ORDER BY age(c.xmin) NULLS FIRST -- locking one that was dropped is an error
        LIMIT $4
    ) AS r
    ORDER BY r.oid -- as other passes do
) AS r;
