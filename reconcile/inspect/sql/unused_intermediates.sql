-- Which intermediate roles are of use. Members are there only because rows ask for them: without, it is of none.
-- $1 text[]: intermediate roles; NULL: all
-- $2 bigint: seconds for which one that holds nothing is kept
-- Scalar subqueries with LIMIT make the planner look, by index, for the first row only.
SELECT i.role_name,
    (
        SELECT true
        FROM sync_roles.memberships AS m
        JOIN pg_catalog.pg_roles AS u ON u.oid = m.member_oid
        WHERE m.role_oid = i.role_oid AND m.inherit_option
        LIMIT 1
    ) IS NOT NULL AS used,
    (
        SELECT true
        FROM pg_catalog.pg_shdepend AS d
        WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = i.role_oid AND d.deptype = 'a'
            AND d.classid <> 'pg_catalog.pg_auth_members'::regclass
        LIMIT 1
    ) IS NOT NULL AS holds,
    i.empty_since IS NOT NULL AS marked,
    coalesce(i.empty_since < now() - make_interval(secs => $2), false) AS overdue
FROM sync_roles.intermediate_roles AS i
-- One that is dropped is named: another role may have its name by now.
JOIN pg_catalog.pg_roles AS r ON r.oid = i.role_oid AND r.rolname = i.role_name
WHERE $1::text[] IS NULL OR i.role_name = ANY ($1)
ORDER BY i.role_name;
