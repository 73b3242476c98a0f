-- Ends the query: what each role has for itself and through others, each with the rows that ask for it.
-- $1 timestamptz: as above
,
-- How a role comes to another: 1 by INHERIT and by SET, 2 by INHERIT alone, 3 by SET ROLE, 4 by SET ROLE and INHERIT from there.
reach (start_name, role_name, way) AS (
    SELECT s.role_name, s.role_name, 1 FROM starts AS s
    UNION
    SELECT r.start_name, e.role_name, CASE
            WHEN r.way = 1 AND e.inherits AND e.sets THEN 1
            WHEN r.way IN (1, 2) AND e.inherits THEN 2
            WHEN r.way IN (1, 3) AND e.sets THEN 3
            ELSE 4
        END
    FROM reach AS r
    JOIN edges AS e ON e.member_name = r.role_name
    WHERE e.inherits OR e.sets AND r.way IN (1, 3)
),
reached AS MATERIALIZED (
    SELECT r.start_name, r.role_name, min(r.way) AS way, bool_or(r.way IN (1, 3)) AS can_set
    FROM reach AS r
    GROUP BY 1, 2
),
needs AS MATERIALIZED (
    SELECT n.code_class_oid, n.code_oid, n.code_privilege, sync_roles.further_needs(n.code_class_oid, n.code_oid, n.code_privilege) AS needs
    FROM (
        SELECT DISTINCT h.code_class_oid, h.code_oid, h.code_privilege
        FROM held AS h
        JOIN pg_catalog.pg_class AS c ON c.oid = h.code_oid AND c.tableoid = h.code_class_oid
        WHERE c.relhasrules OR c.relrowsecurity
    ) AS n
)
SELECT r.start_name AS role_name, g.role_name IS NOT NULL AS managed, h.privilege, h.object_type, h.schema_name, h.object_name,
    h.column_name, h.grantable, h.grantors, h.means, h.through, h.objects, h.role_name AS holder, h.via,
    r.way > 2 OR h.means = 'superuser' AND h.role_name <> r.start_name AS by_set_role,
    CASE
        WHEN s.oid IS NULL THEN ''
        WHEN h.possible THEN 'possible'
        WHEN h.object_type IN ('any', 'role') OR h.privilege = 'OWNER' OR w.superuser THEN 'yes'
        WHEN h.schema_oid IS NOT NULL AND NOT has_schema_privilege(w.oid, h.schema_oid, 'USAGE')
            THEN CASE w.oid WHEN 0 THEN 'possible' ELSE 'no' END
        WHEN n.code_oid IS NULL THEN 'yes'
        WHEN w.oid = 0 THEN 'possible'
        WHEN sync_roles.are_met(w.oid, n.needs)
            THEN CASE WHEN sync_roles.are_met_in_part(w.oid, n.needs) THEN 'possible' ELSE 'yes' END
        ELSE 'no'
    END AS effective,
    h.since, h.exact IS TRUE AS exact, a.id, coalesce(a.role_name, '') AS row_role, coalesce(a.privilege, '') AS row_privilege,
    coalesce(a.selector, '') AS selector, coalesce(a.created_by, '') AS created_by, coalesce(a.written_by, '') AS written_by,
    coalesce(a.note, '') AS note, coalesce(a.source, '') AS source, a.created_at, a.expires_at
FROM reached AS r
JOIN starts AS s ON s.role_name = r.start_name
JOIN held AS h ON h.role_name = r.role_name AND (h.means <> 'superuser' OR r.can_set)
    -- Who is a member of what through another is told by its path to what that holds.
    AND (h.privilege <> 'MEMBER' OR h.role_name = r.start_name)
LEFT JOIN managed AS g ON g.role_name = r.start_name
LEFT JOIN roles AS w ON w.role_name = CASE WHEN r.way > 2 THEN r.role_name ELSE r.start_name END
LEFT JOIN needs AS n ON n.code_class_oid = h.code_class_oid AND n.code_oid = h.code_oid AND n.code_privilege = h.code_privilege
LEFT JOIN pairs AS p ON p.number = h.number
LEFT JOIN asking AS a ON a.id = p.id
ORDER BY r.start_name COLLATE "C", h.object_type COLLATE "C", h.schema_name COLLATE "C", h.object_name COLLATE "C",
    h.column_name COLLATE "C", h.privilege COLLATE "C", h.role_name COLLATE "C", h.via COLLATE "C", h.means COLLATE "C",
    h.through COLLATE "C", h.code_privilege COLLATE "C", effective, h.grantable, h.number, a.id;
