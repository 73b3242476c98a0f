-- Objects, and who has which privileges on them by ACL.
-- $1 text: only of this type; NULL: all but roles
-- $2 text: only in this schema; NULL: all
-- $3 text: only with this name, or this signature; NULL: all
-- $4 oid[]: only those on which one of these (0: PUBLIC) has a privilege, or which one owns; NULL: all
WITH objects AS MATERIALIZED (
    SELECT o.object_type, o.class_oid, o.object_oid, o.schema_name::text, o.object_name::text, o.signature, o.owner, o.acl
    FROM sync_roles.objects AS o
    WHERE o.object_type <> 'role'
        AND ($1::text IS NULL OR o.object_type = $1)
        AND ($2::text IS NULL OR o.schema_name = $2)
        AND ($3::text IS NULL OR o.object_name = sync_roles.own_name($1, $3))
        AND ($3::text IS NULL OR $1 <> 'routine' OR $3 IN (o.object_name, o.signature))
),
entries AS MATERIALIZED (
    SELECT o.object_type, o.class_oid, o.object_oid, '' AS column_name, a.grantor, a.grantee, a.privilege_type, a.is_grantable
    FROM objects AS o
    CROSS JOIN LATERAL aclexplode(o.acl) AS a
    -- On a parameter on which nothing was ever granted not even the bootstrap superuser, to whom it would belong, has a privilege by ACL.
    WHERE o.object_type <> 'parameter' OR o.object_oid <> 0
    UNION ALL
    SELECT o.object_type, o.class_oid, o.object_oid, c.attname::text, a.grantor, a.grantee, a.privilege_type, a.is_grantable
    FROM objects AS o
    JOIN pg_catalog.pg_attribute AS c ON c.attrelid = o.object_oid AND c.attacl IS NOT NULL AND NOT c.attisdropped
    CROSS JOIN LATERAL aclexplode(sync_roles.unpacked(c.attacl)) AS a
    WHERE o.object_type = 'table'
)
SELECT o.object_type, coalesce(o.class_oid, 0) AS class_oid, o.object_oid, o.schema_name, o.object_name,
    coalesce(o.signature, '') AS signature, o.owner,
    sync_roles.privileges_of(o.object_type) AS privileges,
    (SELECT r.relrowsecurity FROM pg_catalog.pg_class AS r WHERE o.object_type = 'table' AND r.oid = o.object_oid) IS TRUE AS row_security,
    (SELECT s.context = 'user' FROM pg_catalog.pg_settings AS s WHERE o.object_type = 'parameter'
        AND lower(s.name) = o.object_name) IS TRUE AS set_by_all,
    o.object_type = 'large_object' AND current_setting('server_version_num')::integer >= 190000 AS for_all_data,
    (SELECT r.relhasrules OR r.relrowsecurity FROM pg_catalog.pg_class AS r WHERE o.object_type = 'table' AND r.oid = o.object_oid
        AND r.relkind <> 'm') IS TRUE AS has_code,
    e.column_name, e.privilege_type AS privilege, e.grantee, e.grantor, coalesce(g.rolname::text, '') AS grantor_name, e.is_grantable
FROM objects AS o
LEFT JOIN entries AS e USING (object_type, class_oid, object_oid)
LEFT JOIN pg_catalog.pg_roles AS g ON g.oid = e.grantor
WHERE $4::oid[] IS NULL OR e.grantee = ANY ($4) OR o.owner = ANY ($4)
ORDER BY o.object_type, o.schema_name, o.object_name, o.signature, o.object_oid, e.column_name, e.privilege_type, e.grantee, e.grantor;
