-- Which of these objects patterns pass by, for a privilege: see sync_roles.patterns_pass_by.
-- $1 oid[]: catalogs
-- $2 oid[]: objects in them
-- $3 text[]: privileges
SELECT t.class_oid, t.object_oid, t.privilege
FROM unnest($1::oid[], $2::oid[], $3::text[]) AS t (class_oid, object_oid, privilege)
-- LATERAL with OFFSET 0: few objects belong to others, and only these are looked up.
CROSS JOIN LATERAL (
    SELECT
    FROM pg_catalog.pg_depend AS d
    WHERE d.classid = t.class_oid AND d.objid = t.object_oid AND d.objsubid = 0 AND d.deptype IN ('e', 'i')
    LIMIT 1
) AS d
CROSS JOIN LATERAL (
    SELECT o.owner, o.acl
    FROM sync_roles.objects AS o
    WHERE o.class_oid = t.class_oid AND o.object_oid = t.object_oid
    OFFSET 0
) AS o
WHERE sync_roles.patterns_pass_by(t.class_oid, t.object_oid, o.owner, o.acl, t.privilege);
