-- Objects by schema and name.
-- $1 text: of this type; empty: of all
-- $2 text: with this in their name, with the schema before it, in whatever case; empty: all
-- $3, $4, $5 text: after this schema, name and type
-- $6 integer: how many
SELECT o.object_type, o.schema_name, o.object_name, o.owner
FROM (
    SELECT o.object_type, coalesce(o.schema_name, '')::text COLLATE "C" AS schema_name,
        coalesce(o.signature, o.object_name::text) COLLATE "C" AS object_name, pg_get_userbyid(o.owner)::text AS owner
    FROM sync_roles.objects AS o
    WHERE o.object_type <> 'role' AND o.object_oid <> 0 AND ($1 = '' OR o.object_type = $1)
) AS o
WHERE ($2 = '' OR strpos(lower(o.schema_name || '.' || o.object_name), lower($2)) > 0)
    AND (o.schema_name, o.object_name, o.object_type) > ($3, $4, $5)
ORDER BY o.schema_name, o.object_name, o.object_type
LIMIT $6;
