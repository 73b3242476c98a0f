-- Deletes claims of ownership of which the row is gone. A claim that is locked is of a row that is being written.
-- $1 integer: so many at most
DELETE FROM sync_roles.ownership_claims
WHERE (object_type, object_name, schema_name) IN (
    SELECT c.object_type, c.object_name, c.schema_name
    FROM sync_roles.ownership_claims AS c
    WHERE NOT EXISTS (
        SELECT
        FROM sync_roles.desired_grants AS g
        WHERE g.privilege = 'OWNER' AND g.object_type = c.object_type AND g.object_name = c.object_name
            AND coalesce(g.schema_name, '') = c.schema_name
    )
    LIMIT $1
    FOR UPDATE SKIP LOCKED
);
