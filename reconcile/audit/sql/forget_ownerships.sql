-- Forgets OWNER rows that are gone. One stays while the role owns what it named: another role's row asks for the object, and may go before
-- it was served.
-- $1 bigint[]: withdrawn.id, of OWNER rows
-- $2 text: the role that gets what is revoked, if another than the connected one; it keeps what it has
DELETE FROM sync_roles.withdrawn AS w
WHERE w.id = ANY ($1)
    AND NOT EXISTS (
        SELECT
        FROM sync_roles.all_matchable_withdrawn AS m
        JOIN pg_catalog.pg_roles AS r ON r.rolname = m.role_name
        JOIN sync_roles.objects AS o ON o.owner = r.oid
        WHERE m.id = w.id AND r.rolname <> $2 AND o.object_type = m.object_type
            AND sync_roles.in_schema(o.schema_name, coalesce(m.schema_name, ''), m.schema_match)
            AND sync_roles.means(m.object_name, m.compared_as, o.object_name, o.signature)
            AND NOT EXISTS (
                SELECT
                FROM sync_roles.all_matchable_grants AS g
                WHERE g.privilege = 'OWNER' AND g.role_name = w.role_name AND g.object_type = w.object_type
                    AND sync_roles.in_schema(o.schema_name, coalesce(g.schema_name, ''), g.schema_match)
                    AND sync_roles.means(g.object_name, g.compared_as, o.object_name, o.signature)
            )
    );
