-- Ends the query: the memberships through which one has what a role has, with the rows that ask for them.
SELECT e.member_name, e.role_name, e.inherits, e.sets, h.since, h.exact IS TRUE AS exact, a.id, coalesce(a.role_name, '') AS row_role,
    coalesce(a.privilege, '') AS row_privilege, coalesce(a.selector, '') AS selector, coalesce(a.created_by, '') AS created_by,
    coalesce(a.written_by, '') AS written_by, coalesce(a.note, '') AS note, coalesce(a.source, '') AS source, a.created_at, a.expires_at
FROM edges AS e
LEFT JOIN held AS h ON h.role_name = e.member_name AND h.object_type = 'role' AND h.object_name = e.role_name
LEFT JOIN pairs AS p ON p.number = h.number
LEFT JOIN asking AS a ON a.id = p.id
ORDER BY e.member_name COLLATE "C", e.role_name COLLATE "C", a.id;
