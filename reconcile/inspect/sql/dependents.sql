-- Who holds privileges that grantees have passed on by their grant option: from this grantee, directly or through others, and from no one
-- else; and whether a row of theirs asks for it. One row for each privilege asked about, in their order.
-- $1 oid[], $2 oid[]: classes and OIDs of the objects
-- $3 text[], $4 text[], $5 text[], $6 text[]: their types, schemas, names and signatures
-- $7 text[], $8 text[]: columns ('': the whole object) and privileges
-- $9 text[]: grantees
WITH asked AS MATERIALIZED (
    SELECT a.*, (SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = a.role_name COLLATE "C") AS grantee
    FROM unnest($1::oid[], $2::oid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[]) WITH ORDINALITY
        AS a (class_oid, object_oid, object_type, schema_name, object_name, signature, column_name, privilege, role_name, place)
)
SELECT d.dependents
FROM asked AS s
-- Each object's entries by themselves: among those of all objects, every search would read all.
CROSS JOIN LATERAL (
    WITH RECURSIVE entries AS MATERIALIZED (
        SELECT a.grantor, a.grantee, a.is_grantable, a.grantor <> o.owner AS passed_on
        FROM (
            SELECT o.owner,
                CASE
                    WHEN s.column_name = '' THEN o.acl
                    ELSE (
                        SELECT sync_roles.unpacked(c.attacl)
                        FROM pg_catalog.pg_attribute AS c
                        WHERE c.attrelid = s.object_oid AND c.attname = s.column_name AND NOT c.attisdropped
                    )
                END AS acl
            FROM sync_roles.objects AS o
            WHERE o.object_type = s.object_type AND o.class_oid = s.class_oid AND o.object_oid = s.object_oid
            OFFSET 0
        ) AS o
        CROSS JOIN LATERAL aclexplode(o.acl) AS a
        WHERE a.privilege_type = s.privilege
    ),
    losers AS (
        SELECT s.grantee AS oid
        UNION
        SELECT e.grantee
        FROM losers AS l
        JOIN entries AS e ON e.grantor = l.oid AND e.passed_on AND e.is_grantable
        -- Who keeps the grant option takes none along: by another grantor, or by a row of its own.
        WHERE NOT EXISTS (SELECT FROM entries AS o WHERE o.grantee = e.grantee AND o.is_grantable AND o.grantor <> l.oid)
            AND NOT EXISTS (
                SELECT
                FROM sync_roles.all_desired_holdings AS g
                JOIN pg_catalog.pg_roles AS r ON r.rolname = g.role_name
                WHERE r.oid = e.grantee AND g.grantable AND g.object_type = s.object_type
                    AND g.privilege = ANY (ARRAY[s.privilege, 'ALL'])
                    AND sync_roles.in_schema(s.schema_name, g.schema_name, g.schema_match)
            AND sync_roles.means(g.object_name, g.compared_as, s.object_name, s.signature)
                    AND sync_roles.is_column(s.column_name, g.column_name, g.column_match)
            )
    )
    SELECT coalesce(jsonb_agg(jsonb_build_object('role', d.role_name, 'grantor', e.grantor::bigint, 'desired', d.grantable IS NOT NULL,
        'grantable', coalesce(d.grantable, false), 'option', e.is_grantable) ORDER BY d.role_name, e.grantor), '[]') AS dependents
    FROM losers AS l
    JOIN entries AS e ON e.grantor = l.oid AND e.passed_on
    LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = e.grantee
    CROSS JOIN LATERAL (
        SELECT coalesce(r.rolname::text, 'public') AS role_name, bool_or(g.grantable) AS grantable
        FROM sync_roles.all_desired_holdings AS g
        WHERE g.id IS NOT NULL AND g.role_name = coalesce(r.rolname::text, 'public') AND g.object_type = s.object_type
            AND g.privilege = ANY (ARRAY[s.privilege, 'ALL'])
            AND sync_roles.in_schema(s.schema_name, g.schema_name, g.schema_match)
            AND sync_roles.means(g.object_name, g.compared_as, s.object_name, s.signature)
            AND sync_roles.is_column(s.column_name, g.column_name, g.column_match) AND g.direct IS NOT FALSE
    ) AS d
    WHERE NOT EXISTS (
            SELECT
            FROM entries AS o
            WHERE o.grantee = e.grantee AND o.grantor NOT IN (SELECT m.oid FROM losers AS m) AND (o.is_grantable OR NOT e.is_grantable)
        )
) AS d
ORDER BY s.place;
