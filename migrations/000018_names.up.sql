-- One row less for a role costs the same as one row more, however many rows the role has: requests for a few deleted or changed rows name
-- them, as those for new rows do. What owners and members have as such needs no grants: where a row that gave it is among them, other rows
-- may now lack theirs, and the role is inspected whole.

CREATE OR REPLACE FUNCTION sync_roles.enqueue_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_TABLE_NAME = 'desired_grants' AND (SELECT count(*) FROM (SELECT FROM new_rows LIMIT 101) AS n) <= 100 THEN
        INSERT INTO sync_roles.pending (role_name, requested_by, object_names)
        SELECT r.role_name, session_user, CASE WHEN bool_and(r.named) THEN array_agg(DISTINCT r.object_name) END
        FROM (
            SELECT o.role_name, o.object_name, o.privilege NOT IN ('OWNER', 'MEMBER') AS named FROM old_rows AS o
            UNION ALL
            SELECT n.role_name, n.object_name, true FROM new_rows AS n
        ) AS r
        GROUP BY r.role_name;
    ELSE
        INSERT INTO sync_roles.pending (role_name, requested_by)
        SELECT o.role_name, session_user FROM old_rows AS o
        UNION
        SELECT n.role_name, session_user FROM new_rows AS n;
    END IF;
    IF FOUND THEN
        PERFORM sync_roles.wake_daemons();
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION sync_roles.enqueue_old() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_TABLE_NAME = 'desired_grants' AND (SELECT count(*) FROM (SELECT FROM old_rows LIMIT 101) AS o) <= 100 THEN
        INSERT INTO sync_roles.pending (role_name, requested_by, object_names)
        SELECT o.role_name, session_user,
            CASE WHEN bool_and(o.privilege NOT IN ('OWNER', 'MEMBER')) THEN array_agg(DISTINCT o.object_name) END
        FROM old_rows AS o
        GROUP BY o.role_name;
    ELSE
        INSERT INTO sync_roles.pending (role_name, requested_by)
        SELECT DISTINCT o.role_name, session_user FROM old_rows AS o;
    END IF;
    IF FOUND THEN
        PERFORM sync_roles.wake_daemons();
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON COLUMN sync_roles.pending.object_names IS
    'desired_grants.object_name of the rows, where a few were written or deleted: the pass inspects these alone. NULL: everything.';

UPDATE sync_roles.installation SET schema_version = 18;
