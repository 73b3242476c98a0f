-- What keeps roles that have a privilege on a view, a function or the like from using it.
-- $1 text[]: roles; "public" is PUBLIC, and no role's name
-- $2 oid[], $3 oid[], $4 text[]: the catalogs of the objects, the objects, and the privileges
SELECT u.name, k.class_oid, k.object_oid, k.privilege, s.closed_schema, n.missing
FROM unnest($1::text[]) AS u (name)
LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = u.name
CROSS JOIN unnest($2::oid[], $3::oid[], $4::text[]) AS k (class_oid, object_oid, privilege)
LEFT JOIN LATERAL (
    SELECT s.nspname::text AS closed_schema
    FROM pg_catalog.pg_namespace AS s
    WHERE s.oid = sync_roles.schema_of(k.class_oid, k.object_oid) AND NOT has_schema_privilege(coalesce(r.oid, 0), s.oid, 'USAGE')
) AS s ON true
CROSS JOIN LATERAL (SELECT sync_roles.missing_needs(coalesce(r.oid, 0), k.class_oid, k.object_oid, k.privilege) AS missing) AS n
WHERE (u.name = 'public' OR r.oid IS NOT NULL) AND (s.closed_schema IS NOT NULL OR n.missing IS NOT NULL);
