-- What these roles have of what rules are about, by themselves or as members of others; 0 is PUBLIC. Ownership stays with the owner.
-- $1 oid[]: roles
WITH RECURSIVE
above (start_oid, role_oid) AS (
    SELECT s.oid, s.oid FROM unnest($1::oid[]) AS s (oid)
    UNION
    SELECT a.start_oid, m.role_oid
    FROM above AS a
    JOIN sync_roles.useful_memberships AS m ON m.member_oid = a.role_oid
)
SELECT DISTINCT a.start_oid, h.forbidden_id, h.part, coalesce(h.owner, 0) AS owner,
    format('%s on %s %s', h.privilege, h.object_type, sync_roles.display_name(h.schema_name, h.object_name, h.signature)) AS text,
    false AS literal
FROM above AS a
JOIN sync_roles.rule_holders AS h ON h.holder_oid = a.role_oid AND h.privilege <> 'OWNER'
UNION ALL
SELECT DISTINCT a.start_oid, p.forbidden_id, p.part, 0::oid, format('%s on each new %s', e.privilege_type, p.object_type), false
FROM above AS a
JOIN pg_catalog.pg_default_acl AS d ON true
CROSS JOIN LATERAL aclexplode(d.defaclacl) AS e
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = d.defaclnamespace
JOIN sync_roles.rule_parts AS p
    ON p.object_type = CASE d.defaclobjtype WHEN 'r' THEN 'table' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'routine' WHEN 'T' THEN 'type'
        WHEN 'n' THEN 'schema' WHEN 'L' THEN 'large_object' END
    AND e.privilege_type = ANY (p.privileges) AND (n.oid IS NULL OR sync_roles.in_schema(n.nspname, p.schema_name, p.schema_match))
WHERE e.grantee = a.role_oid AND a.role_oid <> d.defaclrole;
