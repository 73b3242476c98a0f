-- Intermediate roles that are of no use, or are so otherwise than noted. An intermediate role without members is of none.
-- $1 bigint: seconds for which one that holds nothing is kept
SELECT i.role_name
FROM sync_roles.intermediate_roles AS i
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT
        FROM pg_catalog.pg_shdepend AS d
        WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = i.role_oid AND d.deptype = 'a'
            AND d.classid <> 'pg_catalog.pg_auth_members'::regclass
    ) AS holds
) AS h
WHERE h.holds = (i.empty_since IS NOT NULL)
    OR i.empty_since < now() - make_interval(secs => $1)
    OR NOT EXISTS (
        SELECT
        FROM sync_roles.memberships AS m
        JOIN pg_catalog.pg_roles AS u ON u.oid = m.member_oid
        WHERE m.role_oid = i.role_oid AND m.inherit_option
    )
ORDER BY i.role_name;
