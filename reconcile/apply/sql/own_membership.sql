-- A role to be borrowed, and the options of the membership in it that the connected role has given itself; NULL: none.
-- $1 text: the role
-- $2 oid: the connected role
SELECT r.oid,
    CASE WHEN m.role_oid IS NOT NULL THEN format(' WITH INHERIT %s, SET %s', upper(m.inherit_option::text),
        upper(m.set_option::text)) END AS options
FROM pg_catalog.pg_roles AS r
LEFT JOIN sync_roles.memberships AS m ON m.role_oid = r.oid AND m.member_oid = $2 AND m.grantor_oid = $2
WHERE r.rolname = $1;
