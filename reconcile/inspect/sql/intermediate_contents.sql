-- What replacing or dropping intermediate roles takes, but for what they hold.
-- $1 text[]: names of intermediate roles
SELECT i.role_name, i.role_oid AS oid, coalesce(shobj_description(i.role_oid, 'pg_authid'), '') AS comment,
    ARRAY(
        SELECT DISTINCT u.rolname::text
        FROM sync_roles.memberships AS m
        JOIN pg_catalog.pg_roles AS u ON u.oid = m.member_oid
        JOIN sync_roles.desired_grants AS g
            ON g.role_name = u.rolname AND g.selector = i.selector AND g.direct IS NOT TRUE AND NOT g.grantable
        WHERE m.role_oid = i.role_oid AND m.inherit_option
        ORDER BY 1
    ) AS desired_members,
    -- Others for which there is no row are found by the next rescan, which can end their memberships then.
    ARRAY(
        SELECT DISTINCT u.rolname::text
        FROM sync_roles.memberships AS m
        JOIN pg_catalog.pg_roles AS u ON u.oid = m.member_oid
        WHERE m.role_oid = i.role_oid AND m.inherit_option
        ORDER BY 1
    ) AS members
FROM sync_roles.intermediate_roles AS i
WHERE i.role_name = ANY ($1);
