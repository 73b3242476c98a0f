-- Relations of schema sync_roles that are no longer those which the engine checked when it connected. Asked at a pass's end: by then it
-- has read from
-- whatever bears the names, and until the commit its locks keep others from renaming it.
-- $1 text[], $2 oid[], $3 text[], $4 oid[]: as relations.sql listed them
SELECT k.name
FROM unnest($1::text[], $2::oid[], $3::text[], $4::oid[]) AS k (name, oid, kind, owner)
LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = 'sync_roles'::regnamespace AND c.relname = k.name::name
WHERE c.oid IS DISTINCT FROM k.oid OR c.relkind::text <> k.kind OR c.relowner <> k.owner
ORDER BY k.name;
