-- What the same deletions will revoke from roles outside of the pass: what is still in the queue, or failed and is tried again, or is
-- held already. So no splitting of a mass deletion into passes makes it small. One row for each transaction, with all that its rows asked
-- for.
-- $1 text[]: the roles of the pass
-- $2 bigint[]: withdrawn.transaction
-- $3 boolean: only what the roles have: a row gave nothing that was deleted before a pass came to it
WITH pass AS MATERIALIZED (
    SELECT DISTINCT r.role_name
    FROM unnest($1::text[]) AS r (role_name)
),
waiting AS MATERIALIZED (
    SELECT p.role_name FROM sync_roles.pending AS p WHERE p.role_name IS NOT NULL
    UNION
    SELECT t.role_name FROM sync_roles.retries AS t
    UNION
    SELECT h.role_name FROM sync_roles.held AS h
),
elsewhere AS MATERIALIZED (
    SELECT w.transaction::text::bigint AS transaction, w.role_name, w.object_type, w.object_name, w.privilege,
        coalesce(w.schema_name, '') AS schema_name, w.name_match, coalesce(w.column_name, '') AS column_name, w.direct, w.grantable,
        w.selector, sync_roles.is_plain(w.schema_match, w.except_names, w.except_columns, w.partitions) AS is_plain
    FROM sync_roles.withdrawn AS w
    WHERE NOT w.expired AND w.transaction::text::bigint = ANY ($2)
        AND w.role_name IN (SELECT q.role_name FROM waiting AS q)
        AND w.role_name NOT IN (SELECT p.role_name FROM pass AS p)
        -- What was put back is not revoked.
        AND NOT EXISTS (
            SELECT
            FROM sync_roles.grants_in_force AS g
            WHERE g.role_name = w.role_name AND g.selector = w.selector
        )
)
SELECT e.transaction, sum(n.privileges)::bigint AS privileges
FROM elsewhere AS e
CROSS JOIN LATERAL (
    SELECT CASE WHEN e.privilege = 'ALL' THEN cardinality(sync_roles.privileges_of(e.object_type)) ELSE 1 END AS privileges
) AS n
WHERE NOT $3
    OR EXISTS (
        SELECT
        FROM (
            SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = e.role_name COLLATE "C"
            UNION ALL
            SELECT 0 WHERE e.role_name = 'public'
        ) AS r
        WHERE
            -- Of a pattern only what goes through an intermediate role is known without comparing it.
            NOT (e.is_plain AND e.name_match = 'exact') AND (e.direct OR e.grantable OR e.privilege IN ('MEMBER', 'OWNER'))
            OR EXISTS (
                SELECT
                FROM sync_roles.intermediate_roles AS i
                JOIN sync_roles.memberships AS m ON m.role_oid = i.role_oid AND m.member_oid = r.oid
                WHERE i.selector = e.selector
            )
            OR e.is_plain AND e.name_match = 'exact' AND EXISTS (
                SELECT
                FROM sync_roles.objects AS o
                WHERE o.object_type = e.object_type AND o.schema_name = e.schema_name
                    AND o.object_name = sync_roles.own_name(e.object_type, e.object_name)
                    AND CASE e.privilege
                        WHEN 'OWNER' THEN o.owner = r.oid
                        WHEN 'MEMBER' THEN EXISTS (
                            SELECT FROM sync_roles.memberships AS m WHERE m.role_oid = o.object_oid AND m.member_oid = r.oid
                        )
                        ELSE EXISTS (
                            SELECT
                            FROM aclexplode(CASE WHEN e.column_name = '' THEN o.acl ELSE (
                                SELECT sync_roles.unpacked(c.attacl)
                                FROM pg_catalog.pg_attribute AS c
                                WHERE c.attrelid = o.object_oid AND c.attname = e.column_name AND NOT c.attisdropped
                            ) END) AS a
                            WHERE a.grantee = r.oid AND e.privilege IN (a.privilege_type, 'ALL')
                        )
                    END
            )
    )
GROUP BY e.transaction;
