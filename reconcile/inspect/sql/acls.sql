-- Whether ACLs are as expected. Of objects of other classes than these it says no.
-- $1 oid[], $2 oid[]: classes and objects
-- $3 text[]: privileges
-- $4 boolean[]: with the grant option
-- $5 boolean[]: the grantees hold the privilege, or none of them does, by any grantor: a new owner is the grantor in place of the old
-- $6 text[]: the grantees, each an array of OIDs
SELECT bool_and(CASE
    -- Nearly always by the owner, which is found without a look at each privilege of each entry.
    WHEN k.held AND (SELECT bool_and(aclcontains(k.acl, makeaclitem(u.grantee, k.owner, k.privilege, k.grantable)))
        FROM unnest(k.grantees) AS u (grantee)) THEN true
    WHEN k.held THEN cardinality(k.grantees) = (
        SELECT count(DISTINCT a.grantee)
        FROM aclexplode(k.acl) AS a
        WHERE a.privilege_type = k.privilege AND a.grantee = ANY (k.grantees) AND (a.is_grantable OR NOT k.grantable)
    )
    ELSE k.acl IS NOT NULL AND NOT EXISTS (
        SELECT
        FROM aclexplode(k.acl) AS a
        WHERE a.privilege_type = k.privilege AND a.grantee = ANY (k.grantees)
    )
END)
FROM (
    SELECT e.privilege, e.grantable, e.held, e.grantees::oid[] AS grantees,
        CASE e.class
            WHEN 'pg_catalog.pg_class'::regclass THEN (SELECT c.relacl FROM pg_catalog.pg_class AS c WHERE c.oid = e.object)
            WHEN 'pg_catalog.pg_namespace'::regclass THEN (SELECT n.nspacl FROM pg_catalog.pg_namespace AS n WHERE n.oid = e.object)
            WHEN 'pg_catalog.pg_proc'::regclass THEN (SELECT p.proacl FROM pg_catalog.pg_proc AS p WHERE p.oid = e.object)
            WHEN 'pg_catalog.pg_database'::regclass THEN (SELECT d.datacl FROM pg_catalog.pg_database AS d WHERE d.oid = e.object)
        END AS acl,
        CASE e.class
            WHEN 'pg_catalog.pg_class'::regclass THEN (SELECT c.relowner FROM pg_catalog.pg_class AS c WHERE c.oid = e.object)
            WHEN 'pg_catalog.pg_namespace'::regclass THEN (SELECT n.nspowner FROM pg_catalog.pg_namespace AS n WHERE n.oid = e.object)
            WHEN 'pg_catalog.pg_proc'::regclass THEN (SELECT p.proowner FROM pg_catalog.pg_proc AS p WHERE p.oid = e.object)
            WHEN 'pg_catalog.pg_database'::regclass THEN (SELECT d.datdba FROM pg_catalog.pg_database AS d WHERE d.oid = e.object)
        END AS owner
    FROM unnest($1::oid[], $2::oid[], $3::text[], $4::boolean[], $5::boolean[], $6::text[])
        AS e (class, object, privilege, grantable, held, grantees)
    OFFSET 0 -- each ACL is read once
) AS k;
