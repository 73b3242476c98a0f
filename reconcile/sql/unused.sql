-- Which intermediate roles are of use. Members are there only because rows ask for them: without, it is of none.
-- $1 text[]: intermediate roles; $2 bigint: seconds for which one that holds nothing is kept
SELECT i.role_name,
    EXISTS (
        SELECT
        FROM sync_roles.memberships AS m
        JOIN pg_catalog.pg_roles AS u ON u.oid = m.member_oid
        WHERE m.role_oid = i.role_oid AND m.inherit_option
    ) AS used,
    EXISTS (
        SELECT
        FROM pg_catalog.pg_shdepend AS d
        WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = i.role_oid AND d.deptype = 'a'
            AND d.classid <> 'pg_catalog.pg_auth_members'::regclass
    ) AS holds,
    i.empty_since IS NOT NULL AS marked,
    coalesce(i.empty_since < now() - make_interval(secs => $2), false) AS overdue
FROM sync_roles.intermediate_roles AS i
WHERE i.role_name = ANY ($1)
ORDER BY i.role_name;
