-- How row-level security treats a role: which policies apply to it, or why none does.
-- $1 text: the role; "public" is PUBLIC
-- $2 oid[]: tables
SELECT c.oid,
    CASE
        WHEN r.rolsuper THEN 'bypassed: superuser'
        WHEN r.rolbypassrls THEN 'bypassed: BYPASSRLS'
        WHEN r.oid IS NOT NULL AND NOT c.relforcerowsecurity AND pg_has_role(r.oid, c.relowner, 'USAGE') THEN 'bypassed: owner'
        ELSE concat(
            coalesce('policies apply: ' || p.names, 'no policy applies: no rows are seen'),
            CASE WHEN c.relforcerowsecurity THEN ' (FORCE ROW LEVEL SECURITY: the owner is bound, too)' END
        )
    END
FROM pg_catalog.pg_class AS c
LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = $1
CROSS JOIN LATERAL (
    SELECT string_agg(p.polname::text, ', ' ORDER BY p.polname) AS names
    FROM pg_catalog.pg_policy AS p
    WHERE p.polrelid = c.oid AND sync_roles.is_bound(coalesce(r.oid, 0), p.oid)
) AS p
WHERE c.oid = ANY ($2::oid[]) AND c.relrowsecurity;
