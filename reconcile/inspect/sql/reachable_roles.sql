-- What members of these roles come to reach, through any chain of memberships, that rows may not give away (sync_roles.privileged_roles).
-- $1 oid[]: roles; $2 text[]: roles allowed by name, with what they reach
WITH RECURSIVE reach AS (
    SELECT n.oid AS start, n.oid
    FROM unnest($1::oid[]) AS n (oid)
    JOIN pg_catalog.pg_roles AS r ON r.oid = n.oid AND r.rolname <> ALL ($2::text[])
    UNION
    SELECT p.start, m.role_oid
    FROM reach AS p
    JOIN sync_roles.memberships AS m ON m.member_oid = p.oid
    JOIN pg_catalog.pg_roles AS r ON r.oid = m.role_oid AND r.rolname <> ALL ($2::text[])
)
SELECT p.start, r.oid, r.rolname::text AS name, coalesce(v.reason, '') AS privileged
FROM reach AS p
JOIN pg_catalog.pg_roles AS r ON r.oid = p.oid
LEFT JOIN sync_roles.privileged_roles AS v ON v.role_oid = p.oid
ORDER BY 1, r.rolname <> current_user, 3;
