-- Relations of schema sync_roles that are no longer those which the engine checked when it connected. Asked at a pass's end: by then it
-- has read from whatever has the names, and until the commit its locks keep others from renaming it.
-- $1 text[], $2 oid[], $3 text[], $4 oid[]: as relations.sql listed them
SELECT k.name
FROM unnest($1::text[], $2::oid[], $3::text[], $4::oid[]) AS k (name, oid, kind, owner)
-- LATERAL with OFFSET 0: each is looked up by its OID, however many relations there are.
LEFT JOIN LATERAL (
    SELECT c.relname, c.relnamespace, c.relkind, c.relowner
    FROM pg_catalog.pg_class AS c
    WHERE c.oid = k.oid
    OFFSET 0
) AS c ON true
WHERE (c.relname::text, c.relnamespace, c.relkind::text, c.relowner)
    IS DISTINCT FROM (k.name, 'sync_roles'::regnamespace::oid, k.kind, k.owner)
ORDER BY k.name;
