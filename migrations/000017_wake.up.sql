-- Waking the daemons less often. PostgreSQL lets transactions that have sent a notification commit one after the other, in the whole
-- cluster, each with its own flush of the WAL (PreCommit_Notify in async.c). While a pass is under way, writers need not notify of the
-- rows that they add to the queue, if the daemons know of others in it: they look at it until it is empty.
--
-- What no notification told of must not be left in the queue. So a writer that leaves it out holds a lock that others can share, from
-- before it has looked at the queue until its transaction is over; and a daemon has come to rest only when it got that lock for itself,
-- and found the queue empty after that. Otherwise it looks again. Whoever else takes these advisory locks makes writers notify, or daemons
-- look: nothing is lost.

CREATE FUNCTION sync_roles.mark_pass() RETURNS boolean
LANGUAGE sql VOLATILE
RETURN pg_try_advisory_xact_lock(1937337955, 1919904870);

COMMENT ON FUNCTION sync_roles.mark_pass() IS 'Tells writers, until the transaction ends, that a pass is under way.';

CREATE FUNCTION sync_roles.all_have_notified() RETURNS boolean
LANGUAGE sql VOLATILE
RETURN pg_try_advisory_xact_lock(1937337955, 1919904869);

COMMENT ON FUNCTION sync_roles.all_have_notified() IS
    'Whether no transaction is under way that may have left out to notify the daemons. Those that follow see what the queue holds then.';

CREATE FUNCTION sync_roles.wake_daemons() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off -- the plan is made while the queue is short, and kept
AS $$
DECLARE
    newest CONSTANT bigint = currval('sync_roles.pending_id_seq'); -- in the query it would keep the index from being used
BEGIN
    -- In other isolation levels, the queue is seen as it was when the transaction began.
    IF current_setting('transaction_isolation') = 'read committed' AND pg_try_advisory_xact_lock_shared(1937337955, 1919904869) THEN
        IF pg_try_advisory_lock_shared(1937337955, 1919904870) THEN
            PERFORM pg_advisory_unlock_shared(1937337955, 1919904870); -- no pass is under way
        ELSE
            -- A statement by itself, which sees what was committed before the lock was taken. A few rows are enough, however many are dead.
            PERFORM FROM sync_roles.pending AS p
            WHERE p.id > newest - 100 AND p.transaction <> pg_current_xact_id()
            LIMIT 1;
            IF FOUND THEN
                RETURN;
            END IF;
        END IF;
    END IF;
    PERFORM pg_notify('sync_roles', '');
END
$$;

COMMENT ON FUNCTION sync_roles.wake_daemons() IS
    'For triggers that have added to the queue: notifies the daemons, unless a pass is under way and they know of rows in the queue.';

-- As they were.
CREATE OR REPLACE FUNCTION sync_roles.enqueue_new() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_TABLE_NAME = 'desired_grants' THEN
        INSERT INTO sync_roles.shortened_grants (grant_id, until)
        SELECT n.id, 'infinity' FROM new_rows AS n WHERE n.expires_at <= now()
        ON CONFLICT DO NOTHING;
    END IF;
    IF TG_TABLE_NAME = 'desired_grants' AND (SELECT count(*) FROM (SELECT FROM new_rows LIMIT 101) AS n) <= 100 THEN
        INSERT INTO sync_roles.pending (role_name, requested_by, object_names)
        SELECT n.role_name, session_user, array_agg(DISTINCT n.object_name) FROM new_rows AS n GROUP BY n.role_name;
    ELSE
        INSERT INTO sync_roles.pending (role_name, requested_by)
        SELECT DISTINCT n.role_name, session_user FROM new_rows AS n;
    END IF;
    IF FOUND THEN
        PERFORM sync_roles.wake_daemons();
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION sync_roles.enqueue_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO sync_roles.pending (role_name, requested_by)
    SELECT o.role_name, session_user FROM old_rows AS o
    UNION
    SELECT n.role_name, session_user FROM new_rows AS n;
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
    INSERT INTO sync_roles.pending (role_name, requested_by)
    SELECT DISTINCT o.role_name, session_user FROM old_rows AS o;
    IF FOUND THEN
        PERFORM sync_roles.wake_daemons();
    END IF;
    RETURN NULL;
END
$$;

UPDATE sync_roles.installation SET schema_version = 17;
