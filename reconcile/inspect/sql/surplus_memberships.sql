-- Memberships that the roles of a batch have and should not, and members that intermediate roles of the batch should not have.
-- $1 text[]: names of roles, intermediate roles among them
-- $2 text[]: privileged roles allowed by name, with what they reach
-- :renamed boolean: look for roles that were renamed
-- :members boolean: look at all members of intermediate roles, also those outside the batch
-- :plain boolean: all rows are plain (sync_roles.is_plain); which views are read depends on it
-- :enforced boolean: also what rules of sync_roles.forbidden take
-- :legacy boolean: there are intermediate roles of the Python library
WITH batch AS MATERIALIZED (
    SELECT r.oid AS member_oid, r.rolname::text AS role_name,
        CASE WHEN i.role_oid IS NOT NULL OR k.role_oid IS NOT NULL THEN '{all}' ELSE coalesce(d.revoke_other, '{}') END AS revoke_other,
        i.role_oid IS NOT NULL OR k.role_oid IS NOT NULL AS intermediate,
        k.role_oid IS NOT NULL AS keeper
    FROM pg_catalog.pg_roles AS r
    LEFT JOIN sync_roles.desired_roles AS d ON d.role_name = r.rolname
    LEFT JOIN sync_roles.intermediate_roles AS i ON i.role_oid = r.oid
    LEFT JOIN sync_roles.keepers AS k ON k.role_oid = r.oid
    WHERE r.rolname = ANY ($1)
),
held AS MATERIALIZED (
    SELECT m.*, b.role_name, b.revoke_other, b.keeper
    FROM batch AS b
    JOIN sync_roles.memberships AS m ON m.member_oid = b.member_oid
),
-- Roles that have come to reach what rows may not give away: rows that gave membership in them are refused from then on.
refused AS MATERIALIZED (
    SELECT p.oid AS role_oid
    FROM sync_roles.roles_reaching_privileges($2) AS p (oid)
),
-- By itself: the planner would look for MEMBER rows before it knows that hardly any membership is in such a role.
held_refused AS MATERIALIZED (
    SELECT h.*
    FROM held AS h
    WHERE h.role_oid IN (SELECT f.role_oid FROM refused AS f)
),
withdrawn AS MATERIALIZED (
    SELECT w.id, w.role_name, w.object_name, w.name_match, w.grantable
    FROM sync_roles.matchable_withdrawn AS w
    WHERE w.role_name = ANY ($1) AND w.privilege = 'MEMBER'
),
-- Few, if any: so what each holds is looked up one by one.
python_held AS MATERIALIZED (
    SELECT h.*
    FROM held AS h
    JOIN pg_catalog.pg_roles AS r ON r.oid = h.role_oid
    WHERE :legacy AND (r.rolname LIKE '\_pgsr\_local\_%' OR r.rolname LIKE '\_pgsr\_global\_%')
),
python AS MATERIALIZED (
    SELECT h.role_oid, h.member_oid, h.role_name, h.revoke_other, p.privilege, o.object_type, o.class_oid, o.object_oid,
        o.schema_name::text, o.object_name::text
    FROM python_held AS h
    CROSS JOIN LATERAL (
        SELECT p.*
        FROM sync_roles.python_intermediate_roles AS p
        WHERE p.role_oid = h.role_oid
        OFFSET 0
    ) AS p
    CROSS JOIN LATERAL (
        SELECT o.*
        FROM sync_roles.objects AS o
        WHERE o.class_oid = p.class_oid AND o.object_oid = p.object_oid
        OFFSET 0
    ) AS o
    WHERE :legacy
),
-- LATERAL with OFFSET 0: otherwise the planner may read all memberships, or pair all roles with all roles first.
joined AS MATERIALIZED (
    SELECT h.role_oid, h.member_oid, h.grantor_oid, h.role_name AS member_name, h.role_name AS unit
    FROM held AS h
    UNION ALL
    -- Members of intermediate roles of the batch that are not in it themselves.
    SELECT m.role_oid, m.member_oid, m.grantor_oid, u.rolname::text, NULL
    FROM batch AS b
    CROSS JOIN LATERAL (
        SELECT m.role_oid, m.member_oid, m.grantor_oid
        FROM sync_roles.memberships AS m
        WHERE m.role_oid = b.member_oid
        OFFSET 0
    ) AS m
    CROSS JOIN LATERAL (
        SELECT u.rolname
        FROM pg_catalog.pg_roles AS u
        WHERE u.oid = m.member_oid
        OFFSET 0
    ) AS u
    WHERE :members AND b.intermediate AND u.rolname <> current_user
        AND NOT EXISTS (SELECT FROM batch AS me WHERE me.member_oid = m.member_oid)
),
-- With an option (ADMIN, INHERIT or SET), that alone may be surplus.
surplus AS MATERIALIZED (
    -- Members of an intermediate role of ours without a row for its selector.
    SELECT j.role_oid, j.member_oid, j.grantor_oid,
        coalesce(
            j.unit,
            (SELECT g.role_name FROM sync_roles.desired_grants AS g WHERE g.role_name = j.member_name LIMIT 1),
            (SELECT w.role_name FROM sync_roles.withdrawn AS w WHERE w.role_name = j.member_name LIMIT 1),
            i.role_name
        ) AS unit,
        '' AS option
    FROM joined AS j
    JOIN sync_roles.intermediate_roles AS i ON i.role_oid = j.role_oid
    WHERE NOT EXISTS (SELECT FROM sync_roles.keepers AS k WHERE k.role_oid = j.member_oid)
        -- As a scalar: as a join, the planner takes few members for granted, and reads all rows of each.
        AND (
            SELECT true
            FROM sync_roles.grants_in_force AS g
            WHERE g.role_name = j.member_name AND g.selector = i.selector
                AND g.direct IS NOT TRUE AND NOT g.grantable
            LIMIT 1
        ) IS NULL
    UNION
    -- Members of a keeper, through which they could make themselves members of intermediate roles.
    SELECT j.role_oid, j.member_oid, j.grantor_oid, k.role_name, ''
    FROM joined AS j
    JOIN sync_roles.keepers AS k ON k.role_oid = j.role_oid
    -- In this order: the function is slow, and keepers have few members.
    WHERE CASE WHEN k.role_oid IS NOT NULL THEN NOT sync_roles.commands(j.member_oid) END
    UNION
    -- What a MEMBER row gave that is gone.
    SELECT h.role_oid, h.member_oid, h.grantor_oid, h.role_name,
        CASE WHEN w.grantable AND h.admin_option THEN 'ADMIN' ELSE '' END
    FROM held AS h
    JOIN pg_catalog.pg_roles AS r ON r.oid = h.role_oid
    JOIN withdrawn AS w ON w.role_name = h.role_name
    LEFT JOIN sync_roles.resolved_objects AS o ON o.class_oid = 'pg_catalog.pg_authid'::regclass AND o.object_oid = h.role_oid
    WHERE sync_roles.name_matches(r.rolname, w.object_name, w.name_match)
        OR sync_roles.name_matches(o.object_name, w.object_name, w.name_match)
    UNION
    -- Options that rows say a membership should not have. Another may have granted it.
    SELECT h.role_oid, h.member_oid, h.grantor_oid, h.role_name, o.option
    FROM held AS h
    JOIN pg_catalog.pg_roles AS r ON r.oid = h.role_oid
    LEFT JOIN sync_roles.desired_roles AS d ON d.role_name = h.role_name
    -- With OFFSET 0 the function is called only for roles with such rows: a join condition would be checked after the call.
    LEFT JOIN LATERAL (
        SELECT o.inherit_option, o.set_option
        FROM sync_roles.membership_options(h.role_name, r.rolname) AS o
        WHERE EXISTS (
            SELECT
            FROM sync_roles.desired_grants AS g
            WHERE g.role_name = h.role_name AND (g.inherit_option IS NOT NULL OR g.set_option IS NOT NULL)
        )
        OFFSET 0
    ) AS w ON true
    CROSS JOIN LATERAL (
        VALUES ('INHERIT', h.inherit_option AND coalesce(w.inherit_option, d.inherit) = false),
            ('SET', h.set_option AND w.set_option = false)
    ) AS o (option, surplus)
    WHERE current_setting('server_version_num')::integer >= 160000 AND o.surplus
        AND (w.inherit_option IS NOT NULL OR w.set_option IS NOT NULL OR d.inherit = false)
    UNION
    -- What a rule forbids.
    SELECT h.role_oid, h.member_oid, h.grantor_oid, h.role_name, ''
    FROM held AS h
    JOIN sync_roles.enforced_members AS e USING (role_oid, member_oid)
    WHERE :enforced
    UNION
    -- What a MEMBER row gave and is refused by now.
    SELECT h.role_oid, h.member_oid, h.grantor_oid, h.role_name, ''
    FROM held_refused AS h
    JOIN pg_catalog.pg_roles AS r ON r.oid = h.role_oid
    JOIN sync_roles.matchable_grants AS g
        ON g.role_name = h.role_name AND g.privilege = 'MEMBER' AND sync_roles.name_matches(r.rolname, g.object_name, g.compared_as)
    UNION
    -- What a MEMBER row gave in a role that has another name now.
    SELECT h.role_oid, h.member_oid, h.grantor_oid, h.role_name, ''
    FROM held AS h
    JOIN pg_catalog.pg_roles AS r ON r.oid = h.role_oid
    JOIN sync_roles.resolved_objects AS o ON o.class_oid = 'pg_catalog.pg_authid'::regclass AND o.object_oid = h.role_oid
        AND o.object_name <> r.rolname
    JOIN sync_roles.matchable_grants AS g
        ON g.role_name = h.role_name AND g.privilege = 'MEMBER' AND sync_roles.name_matches(o.object_name, g.object_name, g.compared_as)
    WHERE :renamed
    UNION
    -- What exclusive roles have besides. Intermediate roles of other databases are not looked at, if they can be that and no more;
    -- neither is the ADMIN that PostgreSQL (16 and later) gives whoever creates a role, which only a superuser can revoke.
    SELECT h.role_oid, h.member_oid, h.grantor_oid, h.role_name, CASE WHEN h.admin_option THEN 'ADMIN' ELSE '' END
    FROM held AS h
    JOIN pg_catalog.pg_roles AS r ON r.oid = h.role_oid
    WHERE h.revoke_other && '{all,role_memberships}'
        AND NOT EXISTS (SELECT FROM sync_roles.intermediate_roles AS i WHERE i.role_oid = h.role_oid)
        AND NOT EXISTS (SELECT FROM python AS p WHERE p.role_oid = h.role_oid)
        AND NOT (sync_roles.is_ours(r.rolname) AND sync_roles.serves_elsewhere(h.role_oid))
        -- A keeper has ADMIN on what is made here, registered or not any more.
        AND NOT (h.keeper AND h.admin_option AND NOT h.inherit_option AND r.rolname ~ '^_pgsr_(?:lock$|[0-9]+_)')
        AND NOT (h.grantor_oid = 10 AND h.admin_option AND NOT h.inherit_option AND NOT h.set_option)
        -- What a pattern asks for that costs too much to compare is not known.
        AND NOT EXISTS (SELECT FROM sync_roles.costly_holdings AS k WHERE k.role_name = h.role_name AND k.object_type = 'role')
    UNION
    -- Intermediate roles of the Python library whose one privilege was revoked, or that an exclusive role has besides.
    SELECT h.role_oid, h.member_oid, h.grantor_oid, h.role_name, ''
    FROM held AS h
    JOIN python AS p USING (role_oid, member_oid)
    WHERE :legacy AND (
            'role_memberships' = ANY (p.revoke_other)
            OR sync_roles.covers(p.revoke_other, p.object_type, p.privilege)
            OR EXISTS (
                SELECT
                FROM sync_roles.matchable_withdrawn AS w
                LEFT JOIN sync_roles.resolved_objects AS o ON o.class_oid = p.class_oid AND o.object_oid = p.object_oid
                WHERE w.role_name = p.role_name AND w.object_type = p.object_type AND w.privilege IN (p.privilege, 'ALL')
                    AND (
                        sync_roles.in_schema(p.schema_name, coalesce(w.schema_name, ''), w.schema_match)
                        AND sync_roles.name_matches(p.object_name, w.object_name, w.compared_as)
                        OR sync_roles.in_schema(o.schema_name, coalesce(w.schema_name, ''), w.schema_match)
                        AND sync_roles.name_matches(o.object_name, w.object_name, w.compared_as)
                    )
            )
            OR :renamed AND EXISTS (
                SELECT
                FROM sync_roles.resolved_objects AS o
                JOIN sync_roles.matchable_grants AS g
                    ON g.object_type = o.object_type AND sync_roles.in_schema(o.schema_name, coalesce(g.schema_name, ''), g.schema_match)
                    AND sync_roles.name_matches(o.object_name, g.object_name, g.compared_as)
                WHERE o.class_oid = p.class_oid AND o.object_oid = p.object_oid
                    AND (o.schema_name, o.object_name) <> (p.schema_name, p.object_name)
                    AND g.role_name = p.role_name AND g.privilege IN (p.privilege, 'ALL')
            )
        )
        AND (p.object_type <> 'database' OR p.object_name = current_database())
        AND NOT EXISTS (
            SELECT
            FROM sync_roles.matchable_grants AS g
            WHERE g.role_name = p.role_name AND g.object_type = p.object_type AND g.privilege IN (p.privilege, 'ALL')
                AND sync_roles.in_schema(p.schema_name, coalesce(g.schema_name, ''), g.schema_match)
                AND sync_roles.name_matches(p.object_name, g.object_name, g.compared_as)
                AND g.direct IS NOT TRUE
        )
),
-- Who has granted a role to others: hardly anybody, and only with the ADMIN option.
granters AS MATERIALIZED (
    SELECT m.role_oid, m.grantor_oid
    FROM (SELECT DISTINCT s.member_oid FROM surplus AS s) AS s
    CROSS JOIN LATERAL (
        SELECT m.role_oid, m.grantor_oid
        FROM sync_roles.memberships AS m
        WHERE m.grantor_oid = s.member_oid
        OFFSET 0
    ) AS m
)
SELECT s.unit AS role_name, s.role_oid AS granted_oid, r.rolname::text AS granted_name, s.member_oid, u.rolname::text AS member_name,
    s.grantor_oid,
    -- Who is a member by this member's ADMIN option, directly or through others, and by no one else's; and whether a row of theirs asks
    -- for it.
    CASE WHEN s.option IN ('', 'ADMIN') AND (s.role_oid, s.member_oid) IN (SELECT g.role_oid, g.grantor_oid FROM granters AS g) AND EXISTS (
        SELECT FROM sync_roles.memberships AS a WHERE a.role_oid = s.role_oid AND a.member_oid = s.member_oid AND a.admin_option
    ) THEN (
        WITH RECURSIVE losers AS (
            SELECT s.member_oid AS oid
            UNION
            SELECT m.member_oid
            FROM losers AS l
            JOIN sync_roles.memberships AS m ON m.role_oid = s.role_oid AND m.grantor_oid = l.oid AND m.admin_option
            -- Who keeps the ADMIN option takes none along: by another grantor, or by a row of its own.
            WHERE NOT EXISTS (
                    SELECT
                    FROM sync_roles.memberships AS o
                    WHERE o.role_oid = s.role_oid AND o.member_oid = m.member_oid AND o.admin_option AND o.grantor_oid <> l.oid
                )
                AND NOT EXISTS (
                    SELECT
                    FROM sync_roles.matchable_grants AS g
                    JOIN pg_catalog.pg_roles AS u ON u.rolname = g.role_name
                    WHERE u.oid = m.member_oid AND g.grantable AND g.object_type = 'role' AND g.privilege = 'MEMBER'
                        AND sync_roles.name_matches(r.rolname, g.object_name, g.compared_as)
                )
        )
        SELECT coalesce(jsonb_agg(jsonb_build_object('role', n.rolname, 'grantor', m.grantor_oid::bigint, 'desired',
            w.grantable IS NOT NULL, 'grantable', coalesce(w.grantable, false), 'option', m.admin_option)
                ORDER BY n.rolname, m.grantor_oid), '[]')
        FROM losers AS l
        JOIN sync_roles.memberships AS m ON m.role_oid = s.role_oid AND m.grantor_oid = l.oid
        JOIN pg_catalog.pg_roles AS n ON n.oid = m.member_oid
        CROSS JOIN LATERAL (
            SELECT bool_or(g.grantable) AS grantable
            FROM sync_roles.matchable_grants AS g
            WHERE g.role_name = n.rolname AND g.object_type = 'role' AND g.privilege = 'MEMBER'
                AND (g.expires_at IS NULL OR g.expires_at > now())
                AND sync_roles.name_matches(r.rolname, g.object_name, g.compared_as)
        ) AS w
        WHERE NOT EXISTS (
                SELECT
                FROM sync_roles.memberships AS o
                WHERE o.role_oid = s.role_oid AND o.member_oid = m.member_oid AND o.grantor_oid NOT IN (SELECT x.oid FROM losers AS x)
                    AND (o.admin_option OR NOT m.admin_option)
            )
            -- It keeps its own ADMIN option by another grantor.
            AND NOT EXISTS (
                SELECT
                FROM sync_roles.memberships AS a
                WHERE a.role_oid = s.role_oid AND a.member_oid = s.member_oid AND a.admin_option AND a.grantor_oid <> s.grantor_oid
            )
    ) ELSE '[]' END AS dependents,
    -- Those too who are members otherwise as well, which keeps PostgreSQL from ending this membership, unless by CASCADE.
    s.option IN ('', 'ADMIN') AND (s.role_oid, s.member_oid) IN (SELECT g.role_oid, g.grantor_oid FROM granters AS g) AS passed_on,
    CASE WHEN NOT d.asked OR d.refused THEN '' ELSE s.option END AS option_only,
    -- On the object itself: nothing is lost, it is held in another way.
    EXISTS (
        SELECT
        FROM sync_roles.intermediate_roles AS i
        JOIN sync_roles.grants_in_force AS g USING (selector)
        WHERE i.role_oid = s.role_oid AND g.role_name = u.rolname
    ) AS still_desired,
    coalesce(e.expired, false) AS expired,
    coalesce(e.transactions, '{}') AS transactions
FROM (
    -- ADMIN before the membership as a whole: where a row asks for it, that alone is surplus.
    SELECT s.role_oid, s.member_oid, s.grantor_oid, s.unit, max(s.option) AS option
    FROM surplus AS s
    WHERE s.option IN ('', 'ADMIN')
    GROUP BY 1, 2, 3, 4
    UNION ALL
    SELECT s.role_oid, s.member_oid, s.grantor_oid, s.unit, s.option
    FROM surplus AS s
    WHERE s.option IN ('INHERIT', 'SET')
) AS s
-- LATERAL with OFFSET 0: otherwise the planner may pair all roles with all roles first.
CROSS JOIN LATERAL (SELECT r.rolname FROM pg_catalog.pg_roles AS r WHERE r.oid = s.role_oid OFFSET 0) AS r
CROSS JOIN LATERAL (SELECT u.rolname FROM pg_catalog.pg_roles AS u WHERE u.oid = s.member_oid OFFSET 0) AS u
CROSS JOIN LATERAL (
    SELECT count(*) > 0 AS asked, coalesce(bool_or(g.grantable), false) AS grantable,
        s.role_oid IN (SELECT f.role_oid FROM refused AS f) AS refused
    FROM sync_roles.matchable_grants AS g
    WHERE g.role_name = u.rolname AND g.object_type = 'role' AND g.privilege = 'MEMBER'
        AND sync_roles.name_matches(r.rolname, g.object_name, g.compared_as)
) AS d
-- The rows that are gone and gave it: what another row gave that was deleted before its time has not expired.
CROSS JOIN LATERAL (
    SELECT bool_and(w.expired) AS expired, array_agg(DISTINCT w.transaction::text::bigint) FILTER (WHERE NOT w.expired) AS transactions
    FROM sync_roles.withdrawn AS w
    LEFT JOIN sync_roles.intermediate_roles AS i USING (selector)
    WHERE w.role_name = u.rolname
        AND (
            i.role_oid = s.role_oid
            -- LIMIT, and the row by its key: otherwise all such rows of the batch are hashed for each membership.
            OR w.privilege = 'MEMBER' AND (
                SELECT true
                FROM sync_roles.matchable_withdrawn AS m
                LEFT JOIN sync_roles.resolved_objects AS o ON o.class_oid = 'pg_catalog.pg_authid'::regclass AND o.object_oid = s.role_oid
                WHERE m.id = w.id
                    AND (sync_roles.name_matches(r.rolname, m.object_name, m.name_match)
                        OR sync_roles.name_matches(o.object_name, m.object_name, m.name_match))
                LIMIT 1
            )
            OR :legacy AND EXISTS (
                SELECT
                FROM python AS p
                WHERE p.role_oid = s.role_oid AND p.member_oid = s.member_oid AND p.object_type = w.object_type
                    AND w.privilege IN (p.privilege, 'ALL')
                    AND coalesce(w.schema_name, '') = p.schema_name AND w.object_name = p.object_name
            )
        )
) AS e
WHERE CASE
    WHEN s.option IN ('INHERIT', 'SET') THEN d.asked AND NOT d.refused
    ELSE NOT d.asked OR d.refused OR s.option = 'ADMIN' AND NOT d.grantable
END;
