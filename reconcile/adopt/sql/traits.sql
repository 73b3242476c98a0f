-- What roles are, as members and as groups. A bundle gives its members nothing but privileges in this database: it cannot log in, is a
-- member of nothing but intermediate roles of ours, owns nothing, is named by no policy and holds nothing in other databases.
-- $1 text[]: names of roles
SELECT r.rolname::text AS role_name, r.rolinherit AND d.inherit IS NOT FALSE AS inherits,
    NOT r.rolcanlogin AND d.login IS NOT TRUE AND r.rolinherit AND d.inherit IS NOT FALSE
        AND NOT r.rolcreaterole AND NOT r.rolreplication AND NOT r.rolbypassrls
        AND NOT EXISTS (
            SELECT
            FROM sync_roles.memberships AS m
            WHERE m.member_oid = r.oid AND NOT EXISTS (SELECT FROM sync_roles.intermediate_roles AS i WHERE i.role_oid = m.role_oid)
        )
        AND NOT EXISTS (
            SELECT
            FROM pg_catalog.pg_shdepend AS s
            WHERE s.refclassid = 'pg_catalog.pg_authid'::regclass AND s.refobjid = r.oid
                AND s.classid <> 'pg_catalog.pg_auth_members'::regclass
                AND (s.deptype <> 'a'
                    OR s.dbid NOT IN (0, (SELECT b.oid FROM pg_catalog.pg_database AS b WHERE b.datname = current_database())))
        ) AS bundle
FROM pg_catalog.pg_roles AS r
LEFT JOIN sync_roles.desired_roles AS d ON d.role_name = r.rolname
WHERE r.rolname = ANY ($1)
ORDER BY 1;
