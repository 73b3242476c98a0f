-- What managed roles held at a time, and which rows asked for it then.
-- $1 timestamptz: when
-- $2 text: of this role; empty: of all
-- $3 text: on objects with this in their name, with the schema before it; empty: on all
-- $4 bigint: how many to leave out
-- $5 integer: how many
SELECT a.role_name, a.privilege, a.object_type, coalesce(a.schema_name, '') AS schema_name, a.object_name,
    coalesce(a.column_name, '') AS column_name, a.grantable, coalesce(a.via, '') AS via, a.since, a.exact,
    a.grant_ids[1:5] AS grant_ids, cardinality(a.grant_ids) AS grants, a.requested_by[1:5] AS requested_by,
    ARRAY(SELECT left(n.note, 500) FROM unnest(a.notes[1:5]) AS n (note)) AS notes
FROM sync_roles.access_as_of($1) AS a
WHERE ($2 = '' OR a.role_name = $2) AND ($3 = '' OR strpos(lower(concat_ws('.', a.schema_name, a.object_name)), lower($3)) > 0)
ORDER BY a.role_name, a.object_type, a.schema_name, a.object_name, a.column_name, a.privilege, a.via
OFFSET $4
LIMIT $5;
