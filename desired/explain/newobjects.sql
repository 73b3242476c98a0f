-- Who has what on each new object of which creator: one row for each entry of a default ACL. As sync_roles.default_privileges, but that
-- all may read it.
-- $1 oid: the creator; NULL: any
SELECT d.defaclrole AS creator_oid, c.rolname::text AS creator, coalesce(n.nspname::text, '') AS schema, t.object_type AS type,
    a.grantee, a.privilege_type AS privilege, a.is_grantable AS grantable
FROM pg_catalog.pg_default_acl AS d
JOIN pg_catalog.pg_roles AS c ON c.oid = d.defaclrole
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = d.defaclnamespace
JOIN (VALUES ('r'::"char", 'table'), ('S', 'sequence'), ('f', 'routine'), ('T', 'type'), ('n', 'schema'), ('L', 'large_object'))
    AS t (kind, object_type) ON t.kind = d.defaclobjtype
CROSS JOIN LATERAL aclexplode(d.defaclacl) AS a
WHERE ($1::oid IS NULL OR d.defaclrole = $1) AND a.grantee <> d.defaclrole
ORDER BY 4, 3, 2, 6, 5;
