-- Memberships that the roles of a batch have and should not, and members that intermediate roles of the batch should not have.
-- $1 text[]: names of roles, intermediate roles among them
-- $2 boolean: look for roles that were renamed
WITH batch AS MATERIALIZED (
    SELECT r.oid AS member_oid, r.rolname::text AS role_name,
        CASE WHEN i.role_oid IS NOT NULL THEN '{all}' ELSE coalesce(d.revoke_other, '{}') END AS revoke_other,
        i.role_oid IS NOT NULL AS intermediate
    FROM pg_catalog.pg_roles AS r
    LEFT JOIN sync_roles.desired_roles AS d ON d.role_name = r.rolname
    LEFT JOIN sync_roles.intermediate_roles AS i ON i.role_oid = r.oid
    WHERE r.rolname = ANY ($1)
),
held AS MATERIALIZED (
    SELECT m.*, b.role_name, b.revoke_other
    FROM batch AS b
    JOIN sync_roles.memberships AS m ON m.member_oid = b.member_oid
),
withdrawn AS MATERIALIZED (
    SELECT w.role_name, w.object_name, w.name_match
    FROM sync_roles.withdrawn AS w
    WHERE w.role_name = ANY ($1) AND w.privilege = 'MEMBER'
),
python AS MATERIALIZED (
    SELECT h.role_oid, h.member_oid, h.role_name, h.revoke_other, p.privilege, o.object_type, o.class_oid, o.object_oid, o.schema_name::text, o.object_name::text
    FROM held AS h
    JOIN pg_catalog.pg_roles AS r ON r.oid = h.role_oid AND (r.rolname LIKE '\_pgsr\_local\_%' OR r.rolname LIKE '\_pgsr\_global\_%')
    JOIN sync_roles.python_intermediate_roles AS p ON p.role_oid = h.role_oid
    CROSS JOIN LATERAL (
        SELECT o.*
        FROM sync_roles.objects AS o
        WHERE o.class_oid = p.class_oid AND o.object_oid = p.object_oid
        OFFSET 0
    ) AS o
),
surplus AS (
    -- An intermediate role of ours without a row for its selector, or with more options than it needs.
    SELECT h.role_oid, h.member_oid, h.grantor_oid, h.role_name AS unit
    FROM held AS h
    JOIN sync_roles.intermediate_roles AS i ON i.role_oid = h.role_oid
    WHERE NOT EXISTS (SELECT FROM sync_roles.keepers AS k WHERE k.role_oid = h.member_oid)
        AND NOT EXISTS (
            SELECT
            FROM sync_roles.desired_grants AS g
            WHERE g.role_name = h.role_name AND g.object_type = i.object_type AND g.object_name = i.object_name AND g.privilege = i.privilege
                AND coalesce(g.schema_name, '') = coalesce(i.schema_name, '') AND g.name_match = i.name_match
                AND coalesce(g.column_name, '') = coalesce(i.column_name, '')
                AND g.direct IS NOT TRUE AND NOT g.grantable
        )
    UNION
    -- Whoever else is a member of an intermediate role of the batch.
    SELECT m.role_oid, m.member_oid, m.grantor_oid,
        CASE
            WHEN u.rolname = ANY ($1) OR EXISTS (SELECT FROM sync_roles.desired_grants AS g WHERE g.role_name = u.rolname) THEN u.rolname::text
            ELSE b.role_name
        END
    FROM batch AS b
    JOIN sync_roles.intermediate_roles AS i ON i.role_oid = b.member_oid
    JOIN sync_roles.memberships AS m ON m.role_oid = i.role_oid
    JOIN pg_catalog.pg_roles AS u ON u.oid = m.member_oid
    WHERE u.rolname <> current_user
        AND NOT EXISTS (SELECT FROM sync_roles.keepers AS k WHERE k.role_oid = m.member_oid)
        AND NOT EXISTS (
            SELECT
            FROM sync_roles.desired_grants AS g
            WHERE g.role_name = u.rolname AND g.object_type = i.object_type AND g.object_name = i.object_name AND g.privilege = i.privilege
                AND coalesce(g.schema_name, '') = coalesce(i.schema_name, '') AND g.name_match = i.name_match
                AND coalesce(g.column_name, '') = coalesce(i.column_name, '')
                AND g.direct IS NOT TRUE AND NOT g.grantable
        )
    UNION
    -- What a MEMBER row gave that is gone.
    SELECT h.role_oid, h.member_oid, h.grantor_oid, h.role_name
    FROM held AS h
    JOIN pg_catalog.pg_roles AS r ON r.oid = h.role_oid
    JOIN withdrawn AS w ON w.role_name = h.role_name
    LEFT JOIN sync_roles.resolved_objects AS o ON o.class_oid = 'pg_catalog.pg_authid'::regclass AND o.object_oid = h.role_oid
    WHERE sync_roles.name_matches(r.rolname, w.object_name, w.name_match)
        OR sync_roles.name_matches(o.object_name, w.object_name, w.name_match)
    UNION
    -- What a MEMBER row gave in a role that has another name now.
    SELECT h.role_oid, h.member_oid, h.grantor_oid, h.role_name
    FROM held AS h
    JOIN pg_catalog.pg_roles AS r ON r.oid = h.role_oid
    JOIN sync_roles.resolved_objects AS o ON o.class_oid = 'pg_catalog.pg_authid'::regclass AND o.object_oid = h.role_oid AND o.object_name <> r.rolname
    JOIN sync_roles.desired_grants AS g
        ON g.role_name = h.role_name AND g.privilege = 'MEMBER' AND sync_roles.name_matches(o.object_name, g.object_name, g.name_match)
    WHERE $2
    UNION
    -- What exclusive roles have besides. Intermediate roles of other databases, known by the OID in their name, are not looked at;
    -- neither is the ADMIN that PostgreSQL (16 and later) gives whoever creates a role, which only a superuser can take away.
    SELECT h.role_oid, h.member_oid, h.grantor_oid, h.role_name
    FROM held AS h
    JOIN pg_catalog.pg_roles AS r ON r.oid = h.role_oid
    WHERE h.revoke_other && '{all,role_memberships}'
        AND NOT starts_with(r.rolname, '_pgsr_global_')
        AND NOT EXISTS (SELECT FROM sync_roles.intermediate_roles AS i WHERE i.role_oid = h.role_oid)
        AND NOT EXISTS (SELECT FROM python AS p WHERE p.role_oid = h.role_oid)
        AND NOT EXISTS (
            SELECT
            FROM pg_catalog.pg_database AS d
            WHERE d.oid::text = substring(r.rolname::text FROM '^_pgsr_(?:local_)?([0-9]+)_') AND d.datname <> current_database()
        )
        AND NOT (h.grantor_oid = 10 AND h.admin_option AND NOT h.inherit_option AND NOT h.set_option)
    UNION
    -- Intermediate roles of the Python library whose one privilege was taken away, or that an exclusive role has besides.
    SELECT h.role_oid, h.member_oid, h.grantor_oid, h.role_name
    FROM held AS h
    JOIN python AS p USING (role_oid, member_oid)
    WHERE (
            p.revoke_other && ARRAY['all', 'role_memberships', p.object_type || 's']
            OR p.object_type = 'table' AND p.privilege = 'SELECT' AND 'table_selects' = ANY (p.revoke_other)
            OR p.object_type = 'schema' AND p.privilege = 'USAGE' AND 'schema_usage' = ANY (p.revoke_other)
            OR EXISTS (
                SELECT
                FROM sync_roles.withdrawn AS w
                LEFT JOIN sync_roles.resolved_objects AS o ON o.class_oid = p.class_oid AND o.object_oid = p.object_oid
                WHERE w.role_name = p.role_name AND w.object_type = p.object_type AND w.privilege IN (p.privilege, 'ALL')
                    AND (
                        coalesce(w.schema_name, '') = p.schema_name AND sync_roles.name_matches(p.object_name, w.object_name, w.name_match)
                        OR coalesce(w.schema_name, '') = o.schema_name AND sync_roles.name_matches(o.object_name, w.object_name, w.name_match)
                    )
            )
        )
        AND (p.object_type <> 'database' OR p.object_name = current_database())
        AND NOT EXISTS (
            SELECT
            FROM sync_roles.desired_grants AS g
            WHERE g.role_name = p.role_name AND g.object_type = p.object_type AND g.privilege IN (p.privilege, 'ALL')
                AND coalesce(g.schema_name, '') = p.schema_name AND sync_roles.name_matches(p.object_name, g.object_name, g.name_match)
                AND g.direct IS NOT TRUE
        )
)
SELECT s.unit AS role_name, s.role_oid, r.rolname::text AS granted_role, s.member_oid, u.rolname::text AS member_name, s.grantor_oid
FROM surplus AS s
JOIN pg_catalog.pg_roles AS r ON r.oid = s.role_oid
JOIN pg_catalog.pg_roles AS u ON u.oid = s.member_oid
WHERE NOT EXISTS (
    SELECT
    FROM sync_roles.desired_grants AS g
    WHERE g.role_name = u.rolname AND g.object_type = 'role' AND g.privilege = 'MEMBER'
        AND sync_roles.name_matches(r.rolname, g.object_name, g.name_match)
);
