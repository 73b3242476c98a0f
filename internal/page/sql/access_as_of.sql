-- What managed roles held at a time, and which rows asked for it then.
-- $1 timestamptz: when
-- $2 text: of this role; empty: of all
-- $3 text: on objects with this in their name, with the schema before it; empty: on all
-- $4 bigint: how many to leave out
-- $5 integer: how many
WITH counted AS (
    SELECT h.role_name, count(*) AS lines, (sum(count(*)) OVER (ORDER BY h.role_name))::bigint AS until
    FROM sync_roles.access_history AS h
    WHERE h.valid @> $1::timestamptz AND ($2 = '' OR h.role_name = $2)
        AND ($3 = '' OR strpos(lower(concat_ws('.', h.schema_name, h.object_name)), lower($3)) > 0)
    GROUP BY h.role_name
),
-- Which rows asked for it is looked for of these roles alone.
shown AS MATERIALIZED (
    SELECT c.role_name, c.until - c.lines AS before
    FROM counted AS c
    WHERE c.until > $4::bigint AND c.until - c.lines < $4::bigint + $5::integer
)
SELECT a.role_name, a.privilege, a.object_type, coalesce(a.schema_name, '') AS schema_name, a.object_name,
    coalesce(a.column_name, '') AS column_name, a.grantable, coalesce(a.via, '') AS via, a.since, a.exact,
    a.grant_ids[1:5] AS grant_ids, cardinality(a.grant_ids) AS grants, a.requested_by[1:5] AS requested_by,
    ARRAY(SELECT left(n.note, 500) FROM unnest(a.notes[1:5]) AS n (note)) AS notes
FROM sync_roles.access_as_of($1, ARRAY(SELECT s.role_name FROM shown AS s)) AS a
WHERE ($2 = '' OR a.role_name = $2) AND ($3 = '' OR strpos(lower(concat_ws('.', a.schema_name, a.object_name)), lower($3)) > 0)
ORDER BY a.role_name, a.object_type, a.schema_name, a.object_name, a.column_name, a.privilege, a.via
OFFSET $4::bigint - coalesce((SELECT min(s.before) FROM shown AS s), 0)
LIMIT $5::integer;
