-- Forgets OWNER rows that are gone. One stays while the role owns what it named: another role's row asks for the object, and may go before
-- it was served.
-- $1 bigint[]: withdrawn.id, of OWNER rows
-- $2 text: the role that gets what is revoked, if another than the connected one; it keeps what it has
DELETE FROM sync_roles.withdrawn AS w
WHERE w.id = ANY ($1)
    AND NOT (EXISTS (SELECT FROM sync_roles.matchable_withdrawn AS m WHERE m.id = w.id) AND EXISTS (
        SELECT
        FROM sync_roles.objects AS o
        JOIN pg_catalog.pg_roles AS r ON r.oid = o.owner
        WHERE r.rolname = w.role_name AND r.rolname <> $2 AND o.object_type = w.object_type AND o.schema_name = coalesce(w.schema_name, '')
            AND sync_roles.means(w.object_name, w.name_match, o.object_name, o.signature)
            AND NOT EXISTS (
                SELECT
                FROM sync_roles.matchable_grants AS g
                WHERE g.privilege = 'OWNER' AND g.role_name = w.role_name AND g.object_type = w.object_type
                    AND coalesce(g.schema_name, '') = o.schema_name
                    AND sync_roles.means(g.object_name, g.compared_as, o.object_name, o.signature)
            )
    ));
