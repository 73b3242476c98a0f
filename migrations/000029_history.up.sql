-- Who wrote what, and who had what, when.
--
-- Rows: of desired_grants, only versions that have ended are copied, because a COPY of a million rows must cost little more than the rows
-- themselves: the current version is the row, with the transaction that wrote it. Of the other tables, which are small, every version is.
-- Access: passes write what they did, and rescans what others did, as changes for many roles at once; a view makes periods of them.

-- Rows. -----------------------------------------------------------------------------------------------------------------------------

ALTER TABLE sync_roles.desired_grants ADD COLUMN transaction xid8;
ALTER TABLE sync_roles.desired_grants ALTER COLUMN transaction SET DEFAULT pg_catalog.pg_current_xact_id();
COMMENT ON COLUMN sync_roles.desired_grants.transaction IS
    'The transaction that wrote the row as it is; the server sets it. NULL: before there was desired_history. See writing_transactions.';

CREATE POLICY transaction_is_set_by_the_server ON sync_roles.desired_grants AS RESTRICTIVE FOR INSERT
    WITH CHECK (transaction = pg_catalog.pg_current_xact_id());

CREATE TABLE sync_roles.writing_transactions (
    transaction      xid8 NOT NULL DEFAULT pg_current_xact_id(),
    began            timestamptz NOT NULL DEFAULT now(),
    at               timestamptz NOT NULL DEFAULT clock_timestamp(),
    written_by       text NOT NULL DEFAULT session_user,
    application_name text NOT NULL DEFAULT current_setting('application_name'),
    -- In a restored database, the numbers begin again.
    PRIMARY KEY (transaction, began)
);

CREATE INDEX writing_transactions_at ON sync_roles.writing_transactions USING brin (at);

COMMENT ON TABLE sync_roles.writing_transactions IS
    'Internal. Transactions that wrote rows of desired_grants: who they were of, for desired_history.';
COMMENT ON COLUMN sync_roles.writing_transactions.transaction IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.writing_transactions.began IS 'now() in it, which created_at or updated_at of its rows has too.';
COMMENT ON COLUMN sync_roles.writing_transactions.at IS 'When it first wrote.';
COMMENT ON COLUMN sync_roles.writing_transactions.written_by IS 'session_user.';
COMMENT ON COLUMN sync_roles.writing_transactions.application_name IS
    'application_name of the session, which any session sets as it likes.';

CREATE TABLE sync_roles.row_versions (
    id                     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    table_name             text COLLATE "C" NOT NULL,
    row_id                 text COLLATE "C" NOT NULL,
    role_name              text COLLATE "C",
    valid                  tstzrange NOT NULL,
    written_by             text,
    application_name       text,
    transaction            xid8,
    ended_by               text,
    ended_application_name text,
    ended_transaction      xid8,
    "row"                  jsonb NOT NULL
);

CREATE INDEX row_versions_row ON sync_roles.row_versions (table_name, row_id);
CREATE UNIQUE INDEX row_versions_current ON sync_roles.row_versions (table_name, row_id) WHERE upper_inf(valid);
CREATE INDEX row_versions_ended ON sync_roles.row_versions (upper(valid)) WHERE NOT upper_inf(valid);

COMMENT ON TABLE sync_roles.row_versions IS
    'Internal. Versions of rows for desired_history: all of the small tables, and of desired_grants those that have ended.';
COMMENT ON COLUMN sync_roles.row_versions.id IS 'Order of writing.';
COMMENT ON COLUMN sync_roles.row_versions.table_name IS 'As in desired_history.';
COMMENT ON COLUMN sync_roles.row_versions.row_id IS 'As in desired_history.';
COMMENT ON COLUMN sync_roles.row_versions.role_name IS 'As in desired_history.';
COMMENT ON COLUMN sync_roles.row_versions.valid IS 'As in desired_history.';
COMMENT ON COLUMN sync_roles.row_versions.written_by IS 'As in desired_history.';
COMMENT ON COLUMN sync_roles.row_versions.application_name IS 'As in desired_history.';
COMMENT ON COLUMN sync_roles.row_versions.transaction IS 'As in desired_history.';
COMMENT ON COLUMN sync_roles.row_versions.ended_by IS 'As in desired_history.';
COMMENT ON COLUMN sync_roles.row_versions.ended_application_name IS 'As in desired_history.';
COMMENT ON COLUMN sync_roles.row_versions.ended_transaction IS 'As in desired_history.';
COMMENT ON COLUMN sync_roles.row_versions."row" IS 'As in desired_history.';

CREATE FUNCTION sync_roles.history_is_append_only() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('sync_roles.retention', true) = 'on'
        AND pg_has_role((SELECT c.relowner FROM pg_catalog.pg_class AS c WHERE c.oid = TG_RELID), 'USAGE')
    THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
        MESSAGE = format('%s of sync_roles.%s is not allowed: what happened stays on record', TG_OP, TG_TABLE_NAME),
        HINT = 'Deleting old rows is left to pg-sync-roles.';
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.history_is_append_only() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.history_is_append_only() IS
    'Trigger: history is never changed, but that a version ends, and is deleted only by the retention of the schema''s owner.';

CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON sync_roles.row_versions
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.history_is_append_only();
CREATE TRIGGER only_ends BEFORE UPDATE ON sync_roles.row_versions
    FOR EACH ROW
    WHEN (NOT upper_inf(OLD.valid) OR lower(NEW.valid) <> lower(OLD.valid)
        OR (NEW.id, NEW.table_name, NEW.row_id, NEW.role_name, NEW.written_by, NEW.application_name, NEW.transaction, NEW."row")
            IS DISTINCT FROM
            (OLD.id, OLD.table_name, OLD.row_id, OLD.role_name, OLD.written_by, OLD.application_name, OLD.transaction, OLD."row"))
    EXECUTE FUNCTION sync_roles.history_is_append_only();

-- Whoever may read history need not be allowed to read verifiers.
CREATE FUNCTION sync_roles.without_secrets(document jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN document - 'transaction' || CASE
    WHEN document ->> 'password_verifier' <> '' THEN '{"password_verifier": "redacted"}'::jsonb ELSE '{}'::jsonb
END;

COMMENT ON FUNCTION sync_roles.without_secrets(jsonb) IS 'A row as history keeps it: without its verifier.';

-- Versions are dated by the clock, not by now(): of two transactions that change a row, the one that began first can be the second.
CREATE FUNCTION sync_roles.period(since timestamptz, until timestamptz) RETURNS tstzrange
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN tstzrange(least(since, until), until);

COMMENT ON FUNCTION sync_roles.period(timestamptz, timestamptz) IS
    'The range; empty where the clock was set back. Without an end: until NULL.';

-- Scalar subqueries are searches by index, for each row; and it is inlined.
CREATE FUNCTION sync_roles.ended_version(g sync_roles.desired_grants, until timestamptz) RETURNS SETOF sync_roles.row_versions
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT NULL::bigint, 'desired_grants'::text, (ended_version.g).id::text, (ended_version.g).role_name,
        sync_roles.period(greatest(coalesce((b.w).at, (ended_version.g).updated_at, (ended_version.g).created_at), b.before),
            ended_version.until),
        coalesce((b.w).written_by, (ended_version.g).updated_by, (ended_version.g).created_by), (b.w).application_name,
        (ended_version.g).transaction, session_user::text, current_setting('application_name'), pg_current_xact_id(),
        sync_roles.without_secrets(to_jsonb(ended_version.g))
    FROM (
        SELECT (
                SELECT w
                FROM sync_roles.writing_transactions AS w
                WHERE w.transaction = (ended_version.g).transaction
                    AND w.began = coalesce((ended_version.g).updated_at, (ended_version.g).created_at)
            ) AS w,
            (
                SELECT max(upper(v.valid))
                FROM sync_roles.row_versions AS v
                WHERE v.table_name = 'desired_grants' AND v.row_id = (ended_version.g).id::text
            ) AS before
        OFFSET 0
    ) AS b;
END;

COMMENT ON FUNCTION sync_roles.ended_version(sync_roles.desired_grants, timestamptz) IS
    'The version of a row of desired_grants that ends at this time, by this session.';

CREATE FUNCTION sync_roles.keep_ended_grants() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
SET enable_seqscan = off
AS $$
DECLARE
    at constant timestamptz := clock_timestamp();
BEGIN
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO sync_roles.writing_transactions (transaction, at)
        SELECT pg_current_xact_id(), at WHERE EXISTS (SELECT FROM new_rows)
        ON CONFLICT DO NOTHING;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO sync_roles.row_versions (table_name, row_id, role_name, valid, written_by, application_name, transaction,
            ended_by, ended_application_name, ended_transaction, "row")
        SELECT e.table_name, e.row_id, e.role_name, e.valid, e.written_by, e.application_name, e.transaction,
            e.ended_by, e.ended_application_name, e.ended_transaction, e."row"
        FROM old_rows AS o
        LEFT JOIN new_rows AS n ON n.id = o.id
        CROSS JOIN LATERAL sync_roles.ended_version(o, at) AS e
        WHERE o IS DISTINCT FROM n;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO sync_roles.row_versions (table_name, row_id, role_name, valid, written_by, application_name, transaction,
            ended_by, ended_application_name, ended_transaction, "row")
        SELECT e.table_name, e.row_id, e.role_name, e.valid, e.written_by, e.application_name, e.transaction,
            e.ended_by, e.ended_application_name, e.ended_transaction, e."row"
        FROM old_rows AS o
        CROSS JOIN LATERAL sync_roles.ended_version(o, at) AS e;
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION sync_roles.keep_ended_grants() IS 'Trigger: notes who writes rows, and keeps what they were before.';

CREATE FUNCTION sync_roles.keep_all_grants() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at constant timestamptz := clock_timestamp();
BEGIN
    INSERT INTO sync_roles.row_versions (table_name, row_id, role_name, valid, written_by, application_name, transaction,
        ended_by, ended_application_name, ended_transaction, "row")
    SELECT e.table_name, e.row_id, e.role_name, e.valid, e.written_by, e.application_name, e.transaction,
        e.ended_by, e.ended_application_name, e.ended_transaction, e."row"
    FROM sync_roles.desired_grants AS g
    CROSS JOIN LATERAL sync_roles.ended_version(g, at) AS e;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION sync_roles.keep_all_grants() IS 'Trigger: keeps all rows of desired_grants before TRUNCATE.';

-- What replication applies, row by row.
CREATE FUNCTION sync_roles.keep_replicated_grant() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at constant timestamptz := clock_timestamp();
BEGIN
    IF TG_OP <> 'INSERT' AND OLD IS DISTINCT FROM NEW THEN
        INSERT INTO sync_roles.row_versions (table_name, row_id, role_name, valid, written_by, application_name, transaction,
            ended_by, ended_application_name, ended_transaction, "row")
        SELECT e.table_name, e.row_id, e.role_name, e.valid, e.written_by, e.application_name, e.transaction,
            e.ended_by, e.ended_application_name, e.ended_transaction, e."row"
        FROM sync_roles.ended_version(OLD, at) AS e;
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    INSERT INTO sync_roles.writing_transactions (at) VALUES (at) ON CONFLICT DO NOTHING;
    NEW.transaction := pg_current_xact_id();
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION sync_roles.keep_replicated_grant() IS 'Trigger: as keep_ended_grants, for a row that replication writes.';

CREATE TRIGGER keep_insert AFTER INSERT ON sync_roles.desired_grants
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.keep_ended_grants();
CREATE TRIGGER keep_update AFTER UPDATE ON sync_roles.desired_grants
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.keep_ended_grants();
CREATE TRIGGER keep_delete AFTER DELETE ON sync_roles.desired_grants
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.keep_ended_grants();
CREATE TRIGGER keep_truncate BEFORE TRUNCATE ON sync_roles.desired_grants
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.keep_all_grants();
CREATE TRIGGER keep_replicated BEFORE INSERT OR UPDATE OR DELETE ON sync_roles.desired_grants
    FOR EACH ROW EXECUTE FUNCTION sync_roles.keep_replicated_grant();
ALTER TABLE sync_roles.desired_grants ENABLE REPLICA TRIGGER keep_replicated;
ALTER TABLE sync_roles.desired_grants ENABLE ALWAYS TRIGGER keep_truncate;

-- For tables of few rows. The argument is the column that identifies a row.
CREATE FUNCTION sync_roles.keep_versions() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    was constant jsonb := CASE WHEN TG_OP IN ('UPDATE', 'DELETE') THEN to_jsonb(OLD) END;
    becomes constant jsonb := CASE WHEN TG_OP IN ('INSERT', 'UPDATE') THEN to_jsonb(NEW) END;
    at constant timestamptz := clock_timestamp();
BEGIN
    IF TG_OP <> 'INSERT' AND was IS NOT DISTINCT FROM becomes AND TG_LEVEL = 'ROW' THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        UPDATE sync_roles.row_versions AS v
        SET valid = sync_roles.period(lower(v.valid), at), ended_by = session_user,
            ended_application_name = current_setting('application_name'), ended_transaction = pg_current_xact_id()
        WHERE v.table_name = TG_TABLE_NAME AND upper_inf(v.valid) AND (TG_LEVEL = 'STATEMENT' OR v.row_id = was ->> TG_ARGV[0]);
    END IF;
    IF becomes IS NOT NULL THEN
        INSERT INTO sync_roles.row_versions (table_name, row_id, role_name, valid, written_by, application_name, transaction, "row")
        VALUES (TG_TABLE_NAME, becomes ->> TG_ARGV[0], coalesce(becomes ->> 'role_name', becomes ->> 'writer_role'),
            tstzrange(at, NULL), session_user, current_setting('application_name'), pg_current_xact_id(),
            sync_roles.without_secrets(becomes));
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION sync_roles.keep_versions() IS
    'Trigger: keeps every version of a row for desired_history. Its argument is the column that identifies the row.';

CREATE TRIGGER keep_versions AFTER INSERT OR UPDATE OR DELETE ON sync_roles.desired_roles
    FOR EACH ROW EXECUTE FUNCTION sync_roles.keep_versions('role_name');
CREATE TRIGGER keep_truncate BEFORE TRUNCATE ON sync_roles.desired_roles
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.keep_versions('role_name');
CREATE TRIGGER keep_versions AFTER INSERT OR UPDATE OR DELETE ON sync_roles.writers
    FOR EACH ROW EXECUTE FUNCTION sync_roles.keep_versions('id');
CREATE TRIGGER keep_truncate BEFORE TRUNCATE ON sync_roles.writers
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.keep_versions('id');
CREATE TRIGGER keep_versions AFTER INSERT OR UPDATE OR DELETE ON sync_roles.forbidden
    FOR EACH ROW EXECUTE FUNCTION sync_roles.keep_versions('id');
CREATE TRIGGER keep_truncate BEFORE TRUNCATE ON sync_roles.forbidden
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.keep_versions('id');
ALTER TABLE sync_roles.desired_roles ENABLE ALWAYS TRIGGER keep_versions;
ALTER TABLE sync_roles.desired_roles ENABLE ALWAYS TRIGGER keep_truncate;
ALTER TABLE sync_roles.writers ENABLE ALWAYS TRIGGER keep_versions;
ALTER TABLE sync_roles.writers ENABLE ALWAYS TRIGGER keep_truncate;
ALTER TABLE sync_roles.forbidden ENABLE ALWAYS TRIGGER keep_versions;
ALTER TABLE sync_roles.forbidden ENABLE ALWAYS TRIGGER keep_truncate;

INSERT INTO sync_roles.row_versions (table_name, row_id, role_name, valid, written_by, "row")
SELECT 'desired_roles', r.role_name, r.role_name, tstzrange(least(r.created_at, now()), NULL), r.created_by,
    sync_roles.without_secrets(to_jsonb(r))
FROM sync_roles.desired_roles AS r;
INSERT INTO sync_roles.row_versions (table_name, row_id, role_name, valid, "row")
SELECT 'writers', w.id::text, w.writer_role, tstzrange(now(), NULL), to_jsonb(w)
FROM sync_roles.writers AS w;

CREATE VIEW sync_roles.desired_history AS
SELECT v.table_name, v.row_id, v.role_name, v.valid, v.written_by, v.application_name, v.transaction,
    v.ended_by, v.ended_application_name, v.ended_transaction, v."row"
FROM sync_roles.row_versions AS v
UNION ALL
SELECT 'desired_grants', g.id::text, g.role_name,
    tstzrange(greatest(coalesce(w.at, g.updated_at, g.created_at), (
        SELECT max(upper(v.valid))
        FROM sync_roles.row_versions AS v
        WHERE v.table_name = 'desired_grants' AND v.row_id = g.id::text
    )), NULL),
    coalesce(w.written_by, g.updated_by, g.created_by), w.application_name, g.transaction, NULL, NULL, NULL,
    sync_roles.without_secrets(to_jsonb(g))
FROM sync_roles.desired_grants AS g
LEFT JOIN sync_roles.writing_transactions AS w
    ON w.transaction = g.transaction AND w.began = coalesce(g.updated_at, g.created_at);

COMMENT ON VIEW sync_roles.desired_history IS
    'Every version of every row of desired_grants and of the other tables that people write: what it said, from when until when, who wrote '
    'it, and who ended it. For auditors: whoever reads it sees all rows.';
COMMENT ON COLUMN sync_roles.desired_history.table_name IS 'The table, such as desired_grants.';
COMMENT ON COLUMN sync_roles.desired_history.row_id IS 'The id of the row; of desired_roles, role_name.';
COMMENT ON COLUMN sync_roles.desired_history.role_name IS 'The role that the row is about.';
COMMENT ON COLUMN sync_roles.desired_history.valid IS 'From when until when the row was so; without an end: it is so now.';
COMMENT ON COLUMN sync_roles.desired_history.written_by IS 'session_user of who wrote this version.';
COMMENT ON COLUMN sync_roles.desired_history.application_name IS 'application_name of that session.';
COMMENT ON COLUMN sync_roles.desired_history.transaction IS 'The transaction that wrote it.';
COMMENT ON COLUMN sync_roles.desired_history.ended_by IS 'session_user of who changed or deleted the row after that.';
COMMENT ON COLUMN sync_roles.desired_history.ended_application_name IS 'application_name of that session.';
COMMENT ON COLUMN sync_roles.desired_history.ended_transaction IS 'The transaction that did.';
COMMENT ON COLUMN sync_roles.desired_history."row" IS 'The row; of a verifier, only that there was one.';

-- The transaction of an update is noted by the trigger that notes its author.
CREATE OR REPLACE FUNCTION sync_roles.note_update() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF row_security_active(TG_RELID) THEN
        IF NEW.created_by IS DISTINCT FROM OLD.created_by AND NEW.created_by IS DISTINCT FROM session_user THEN
            RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', SCHEMA = 'sync_roles', TABLE = 'desired_grants',
                COLUMN = 'created_by', MESSAGE = format('created_by %L is not the login of this session, %L, and does not change',
                    NEW.created_by, session_user),
                HINT = 'Leave it out: updated_by says who changed the row.';
        END IF;
        NEW.id := OLD.id;
        NEW.created_by := OLD.created_by;
        NEW.created_at := OLD.created_at;
    END IF;
    NEW.updated_by := OLD.updated_by;
    NEW.updated_at := OLD.updated_at;
    NEW.transaction := OLD.transaction;
    -- PostgreSQL computes it after this trigger, from columns that are compared themselves.
    NEW.selector := OLD.selector;
    IF NEW IS DISTINCT FROM OLD THEN
        NEW.updated_by := session_user;
        NEW.updated_at := now();
        NEW.transaction := pg_current_xact_id();
    END IF;
    RETURN NEW;
END
$$;

-- Access. ---------------------------------------------------------------------------------------------------------------------------

CREATE TABLE sync_roles.access_changes (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL,
    given       boolean NOT NULL,
    role_names  text[] COLLATE "C" NOT NULL,
    privilege   text COLLATE "C" NOT NULL,
    object_type text COLLATE "C" NOT NULL,
    schema_name text COLLATE "C",
    object_name text COLLATE "C" NOT NULL,
    column_name text COLLATE "C",
    grantable   boolean NOT NULL,
    grantor     text,
    passes_on   boolean NOT NULL,
    cause       text NOT NULL,
    pass        xid8
);

CREATE INDEX access_changes_at ON sync_roles.access_changes USING brin (at);

COMMENT ON TABLE sync_roles.access_changes IS
    'Internal. What roles were given and lost, for access_history: one row for all roles with the same change.';
COMMENT ON COLUMN sync_roles.access_changes.id IS 'Order of writing.';
COMMENT ON COLUMN sync_roles.access_changes.at IS 'When it was done, or seen.';
COMMENT ON COLUMN sync_roles.access_changes.given IS 'Given, or lost.';
COMMENT ON COLUMN sync_roles.access_changes.role_names IS 'The roles.';
COMMENT ON COLUMN sync_roles.access_changes.privilege IS 'As in actual_grants.';
COMMENT ON COLUMN sync_roles.access_changes.object_type IS 'As in actual_grants.';
COMMENT ON COLUMN sync_roles.access_changes.schema_name IS 'As in actual_grants.';
COMMENT ON COLUMN sync_roles.access_changes.object_name IS 'As in actual_grants.';
COMMENT ON COLUMN sync_roles.access_changes.column_name IS 'As in actual_grants.';
COMMENT ON COLUMN sync_roles.access_changes.grantable IS 'As in actual_grants.';
COMMENT ON COLUMN sync_roles.access_changes.grantor IS 'As in actual_grants.';
COMMENT ON COLUMN sync_roles.access_changes.passes_on IS
    'A membership in an intermediate role: the roles have what that holds.';
COMMENT ON COLUMN sync_roles.access_changes.cause IS 'As in access_history.';
COMMENT ON COLUMN sync_roles.access_changes.pass IS 'The pass that did it; NULL: it was seen.';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON sync_roles.access_changes
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.history_is_append_only();

-- Without aclitem: pg_upgrade refuses tables that have it.
CREATE TABLE sync_roles.seen_objects (
    class_oid     oid NOT NULL,
    object_oid    oid NOT NULL,
    column_number smallint NOT NULL,
    object_type   text COLLATE "C" NOT NULL,
    schema_name   text COLLATE "C",
    object_name   text COLLATE "C" NOT NULL,
    column_name   text COLLATE "C",
    version       text COLLATE "C",
    entries       text[] COLLATE "C" NOT NULL,
    PRIMARY KEY (class_oid, object_oid, column_number)
)
WITH (autovacuum_vacuum_scale_factor = 0.05);

COMMENT ON TABLE sync_roles.seen_objects IS
    'Internal. The privileges on each object, and its owner, as they were when history was last written: what differs is what changed.';
COMMENT ON COLUMN sync_roles.seen_objects.class_oid IS 'As in objects.';
COMMENT ON COLUMN sync_roles.seen_objects.object_oid IS 'As in objects.';
COMMENT ON COLUMN sync_roles.seen_objects.column_number IS '0: the object itself.';
COMMENT ON COLUMN sync_roles.seen_objects.object_type IS 'As in actual_grants.';
COMMENT ON COLUMN sync_roles.seen_objects.schema_name IS 'As in actual_grants.';
COMMENT ON COLUMN sync_roles.seen_objects.object_name IS 'As in actual_grants.';
COMMENT ON COLUMN sync_roles.seen_objects.column_name IS 'As in actual_grants.';
COMMENT ON COLUMN sync_roles.seen_objects.version IS 'Which version of its row the catalog had. NULL: it is compared each time.';
COMMENT ON COLUMN sync_roles.seen_objects.entries IS 'grantor:grantable:privilege:grantees, in OIDs; and the owner.';

CREATE TABLE sync_roles.seen_memberships (
    role_oid    oid NOT NULL,
    member_oid  oid NOT NULL,
    grantor_oid oid NOT NULL,
    grantable   boolean NOT NULL,
    passes_on   boolean NOT NULL,
    PRIMARY KEY (member_oid, role_oid, grantor_oid)
)
WITH (autovacuum_vacuum_scale_factor = 0.05);

COMMENT ON TABLE sync_roles.seen_memberships IS 'Internal. As seen_objects, the memberships of managed roles.';
COMMENT ON COLUMN sync_roles.seen_memberships.role_oid IS 'The role.';
COMMENT ON COLUMN sync_roles.seen_memberships.member_oid IS 'The member.';
COMMENT ON COLUMN sync_roles.seen_memberships.grantor_oid IS 'Who granted it; 0 where passes_on.';
COMMENT ON COLUMN sync_roles.seen_memberships.grantable IS 'WITH ADMIN OPTION.';
COMMENT ON COLUMN sync_roles.seen_memberships.passes_on IS 'As in access_changes.';

CREATE TABLE sync_roles.seen_roles (
    role_oid  oid PRIMARY KEY,
    role_name text COLLATE "C" NOT NULL
);

COMMENT ON TABLE sync_roles.seen_roles IS 'Internal. By which names access_changes knows roles.';
COMMENT ON COLUMN sync_roles.seen_roles.role_oid IS 'The role.';
COMMENT ON COLUMN sync_roles.seen_roles.role_name IS 'Its name when it was last written down.';

CREATE TABLE sync_roles.history_state (
    singleton   boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    since       timestamptz,
    observed_at timestamptz
);

INSERT INTO sync_roles.history_state DEFAULT VALUES;

COMMENT ON TABLE sync_roles.history_state IS
    'From when access_history is complete. Who writes it locks this table: a row lock would take a transaction ID.';
COMMENT ON COLUMN sync_roles.history_state.singleton IS 'There is one row.';
COMMENT ON COLUMN sync_roles.history_state.since IS
    'From when there is history: the first rescan, or what the retention has left. NULL: there is none yet.';
COMMENT ON COLUMN sync_roles.history_state.observed_at IS 'When what others did was last looked for.';

-- A catalog's row has another version after each change of the ACL, the owner or the name.
CREATE VIEW sync_roles.object_versions AS
SELECT 'pg_catalog.pg_class'::regclass::oid AS class_oid, c.oid AS object_oid, 0::smallint AS column_number,
    n.nspname::text AS schema_name, c.xmin::text || c.ctid::text AS version
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'g')
    AND n.nspname <> ALL ('{pg_catalog,information_schema,sync_roles}') AND NOT starts_with(n.nspname::text, 'pg_')
UNION ALL
SELECT 'pg_catalog.pg_class'::regclass::oid, c.oid, a.attnum, n.nspname::text, a.xmin::text || a.ctid::text
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE a.attacl IS NOT NULL AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND n.nspname <> ALL ('{pg_catalog,information_schema,sync_roles}') AND NOT starts_with(n.nspname::text, 'pg_')
UNION ALL
SELECT 'pg_catalog.pg_proc'::regclass::oid, p.oid, 0, n.nspname::text, p.xmin::text || p.ctid::text
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname <> ALL ('{pg_catalog,information_schema,sync_roles}') AND NOT starts_with(n.nspname::text, 'pg_')
UNION ALL
SELECT 'pg_catalog.pg_type'::regclass::oid, t.oid, 0, n.nspname::text, t.xmin::text || t.ctid::text
FROM pg_catalog.pg_type AS t
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid
WHERE (t.typrelid = 0 OR c.relkind = 'c')
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_type AS e WHERE e.oid = t.typelem AND e.typarray = t.oid)
    AND (t.typtype <> 'm' OR current_setting('server_version_num')::integer < 170000)
    AND n.nspname <> ALL ('{pg_catalog,information_schema,sync_roles}') AND NOT starts_with(n.nspname::text, 'pg_')
UNION ALL
SELECT 'pg_catalog.pg_namespace'::regclass::oid, n.oid, 0, NULL, n.xmin::text || n.ctid::text
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname <> ALL ('{pg_catalog,information_schema,sync_roles}') AND NOT starts_with(n.nspname::text, 'pg_')
UNION ALL
SELECT 'pg_catalog.pg_largeobject'::regclass::oid, l.oid, 0, NULL, l.xmin::text || l.ctid::text
FROM pg_catalog.pg_largeobject_metadata AS l
UNION ALL
SELECT 'pg_catalog.pg_database'::regclass::oid, d.oid, 0, NULL, d.xmin::text || d.ctid::text
FROM pg_catalog.pg_database AS d
UNION ALL
SELECT 'pg_catalog.pg_language'::regclass::oid, l.oid, 0, NULL, l.xmin::text || l.ctid::text
FROM pg_catalog.pg_language AS l
WHERE l.lanpltrusted
UNION ALL
SELECT 'pg_catalog.pg_foreign_data_wrapper'::regclass::oid, w.oid, 0, NULL, w.xmin::text || w.ctid::text
FROM pg_catalog.pg_foreign_data_wrapper AS w
UNION ALL
SELECT 'pg_catalog.pg_foreign_server'::regclass::oid, s.oid, 0, NULL, s.xmin::text || s.ctid::text
FROM pg_catalog.pg_foreign_server AS s
UNION ALL
SELECT 'pg_catalog.pg_tablespace'::regclass::oid, t.oid, 0, NULL, t.xmin::text || t.ctid::text
FROM pg_catalog.pg_tablespace AS t;

COMMENT ON VIEW sync_roles.object_versions IS
    'Internal. The version of the catalog row of each object in objects, and of each column with privileges; but of parameters.';
COMMENT ON COLUMN sync_roles.object_versions.class_oid IS 'As in objects.';
COMMENT ON COLUMN sync_roles.object_versions.object_oid IS 'As in objects.';
COMMENT ON COLUMN sync_roles.object_versions.column_number IS '0: the object itself.';
COMMENT ON COLUMN sync_roles.object_versions.schema_name IS 'As in objects.';
COMMENT ON COLUMN sync_roles.object_versions.version IS 'xmin and ctid.';

CREATE VIEW sync_roles.object_privileges AS
SELECT o.class_oid, o.object_oid, 0::smallint AS column_number, o.object_type, nullif(o.schema_name::text, '') AS schema_name,
    coalesce(o.signature, o.object_name::text) AS object_name, NULL::text AS column_name, o.owner, o.acl,
    (
        SELECT v.version
        FROM sync_roles.object_versions AS v
        WHERE v.class_oid = o.class_oid AND v.object_oid = o.object_oid AND v.column_number = 0
    ) AS version
FROM sync_roles.objects AS o
UNION ALL
SELECT 'pg_catalog.pg_class'::regclass::oid, c.oid, a.attnum, 'table', n.nspname::text, c.relname::text, a.attname::text, c.relowner,
    sync_roles.unpacked(a.attacl), a.xmin::text || a.ctid::text
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attacl IS NOT NULL AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND n.nspname <> ALL ('{pg_catalog,information_schema,sync_roles}') AND NOT starts_with(n.nspname::text, 'pg_');

COMMENT ON VIEW sync_roles.object_privileges IS 'Internal. The privileges on objects, and on columns that have any.';
COMMENT ON COLUMN sync_roles.object_privileges.class_oid IS 'As in seen_objects.';
COMMENT ON COLUMN sync_roles.object_privileges.object_oid IS 'As in seen_objects.';
COMMENT ON COLUMN sync_roles.object_privileges.column_number IS 'As in seen_objects.';
COMMENT ON COLUMN sync_roles.object_privileges.object_type IS 'As in seen_objects.';
COMMENT ON COLUMN sync_roles.object_privileges.schema_name IS 'As in seen_objects.';
COMMENT ON COLUMN sync_roles.object_privileges.object_name IS 'As in seen_objects.';
COMMENT ON COLUMN sync_roles.object_privileges.column_name IS 'As in seen_objects.';
COMMENT ON COLUMN sync_roles.object_privileges.owner IS 'As in objects.';
COMMENT ON COLUMN sync_roles.object_privileges.acl IS 'As in objects.';
COMMENT ON COLUMN sync_roles.object_privileges.version IS 'As in seen_objects.';

-- As object_privileges, of relations alone.
CREATE VIEW sync_roles.relation_privileges AS
SELECT 'pg_catalog.pg_class'::regclass::oid AS class_oid, c.oid AS object_oid, p.column_number,
    CASE c.relkind WHEN 'S' THEN 'sequence' WHEN 'g' THEN 'property_graph' ELSE 'table' END AS object_type,
    n.nspname::text AS schema_name, c.relname::text AS object_name, p.column_name, c.relowner AS owner, p.acl, p.version
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT 0::smallint AS column_number, NULL::text AS column_name,
        sync_roles.unpacked(coalesce(c.relacl,
            acldefault(CASE c.relkind WHEN 'S' THEN 's' WHEN 'g' THEN 'g' ELSE 'r' END::"char", c.relowner))) AS acl,
        c.xmin::text || c.ctid::text AS version
    UNION ALL
    SELECT a.attnum, a.attname::text, sync_roles.unpacked(a.attacl), a.xmin::text || a.ctid::text
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
) AS p
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'g')
    AND n.nspname <> ALL ('{pg_catalog,information_schema,sync_roles}') AND NOT starts_with(n.nspname::text, 'pg_');

COMMENT ON VIEW sync_roles.relation_privileges IS 'Internal. As object_privileges, of relations.';
COMMENT ON COLUMN sync_roles.relation_privileges.class_oid IS 'As in object_privileges.';
COMMENT ON COLUMN sync_roles.relation_privileges.object_oid IS 'As in object_privileges.';
COMMENT ON COLUMN sync_roles.relation_privileges.column_number IS 'As in object_privileges.';
COMMENT ON COLUMN sync_roles.relation_privileges.object_type IS 'As in object_privileges.';
COMMENT ON COLUMN sync_roles.relation_privileges.schema_name IS 'As in object_privileges.';
COMMENT ON COLUMN sync_roles.relation_privileges.object_name IS 'As in object_privileges.';
COMMENT ON COLUMN sync_roles.relation_privileges.column_name IS 'As in object_privileges.';
COMMENT ON COLUMN sync_roles.relation_privileges.owner IS 'As in object_privileges.';
COMMENT ON COLUMN sync_roles.relation_privileges.acl IS 'As in object_privileges.';
COMMENT ON COLUMN sync_roles.relation_privileges.version IS 'As in object_privileges.';

-- One statement for all objects, planned once: hash joins, as there may be many, and in LATERAL and scalar subqueries
-- searches by index. Roles are named as history knows them, as it may be their names that have changed.
CREATE FUNCTION sync_roles.write_object_changes(cause text, pass xid8, at timestamptz, class_oids oid[], object_oids oid[])
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    changes bigint;
    present sync_roles.object_privileges[];
BEGIN
    -- Relations are what most passes are about, and a plan for them alone begins in a fraction of the time.
    IF 'pg_class'::regclass = ALL (class_oids) THEN
        present := ARRAY(
            SELECT (o.class_oid, o.object_oid, o.column_number, o.object_type, o.schema_name, o.object_name, o.column_name, o.owner,
                o.acl, o.version)::sync_roles.object_privileges
            FROM unnest(object_oids) AS a (object_oid)
            CROSS JOIN LATERAL (
                SELECT r.* FROM sync_roles.relation_privileges AS r WHERE r.object_oid = a.object_oid OFFSET 0
            ) AS o
        );
    ELSE
        present := ARRAY(
            SELECT (o.class_oid, o.object_oid, o.column_number, o.object_type, o.schema_name, o.object_name, o.column_name, o.owner,
                o.acl, o.version)::sync_roles.object_privileges
            FROM (SELECT DISTINCT a.class_oid, a.object_oid FROM unnest(class_oids, object_oids) AS a (class_oid, object_oid)) AS a
            CROSS JOIN LATERAL (
                SELECT p.*
                FROM sync_roles.object_privileges AS p
                WHERE p.class_oid = a.class_oid AND p.object_oid = a.object_oid
                OFFSET 0
            ) AS o
        );
    END IF;
    WITH asked AS MATERIALIZED (
        SELECT DISTINCT a.class_oid, a.object_oid FROM unnest(class_oids, object_oids) AS a (class_oid, object_oid)
    ),
    parts AS MATERIALIZED (
        SELECT p.* FROM unnest(present) AS p
    ),
    becomes AS MATERIALIZED (
        SELECT p.class_oid, p.object_oid, p.column_number, p.object_type, p.schema_name, p.object_name, p.column_name,
            p.version,
            ARRAY(
                SELECT a.grantor || CASE WHEN a.is_grantable THEN ':1:' ELSE ':0:' END || a.privilege_type || ':'
                    || string_agg(a.grantee::text, ',')
                FROM aclexplode(p.acl) AS a
                WHERE a.grantee <> p.owner
                GROUP BY a.grantor, a.is_grantable, a.privilege_type
                UNION ALL
                SELECT ':0:OWNER:' || p.owner
                WHERE p.column_number = 0 AND p.object_type <> 'parameter'
            ) AS entries
        FROM parts AS p
    ),
    was AS MATERIALIZED (
        SELECT s.*
        FROM asked AS a
        CROSS JOIN LATERAL (
            SELECT s.ctid AS place, s.*
            FROM sync_roles.seen_objects AS s
            WHERE s.class_oid = a.class_oid AND s.object_oid = a.object_oid
            OFFSET 0
        ) AS s
    ),
    changed AS MATERIALIZED (
        SELECT row_number() OVER () AS place, w.entries AS old_entries, b.entries AS new_entries,
            w.object_type AS old_type, w.schema_name AS old_schema, w.object_name AS old_name, w.column_name AS old_column,
            b.object_type AS new_type, b.schema_name AS new_schema, b.object_name AS new_name, b.column_name AS new_column,
            (w.object_type, w.schema_name, w.object_name, w.column_name)
                IS NOT DISTINCT FROM (b.object_type, b.schema_name, b.object_name, b.column_name)
                AND w.object_type IS NOT NULL AND b.object_type IS NOT NULL AS same_name
        FROM was AS w
        FULL JOIN becomes AS b USING (class_oid, object_oid, column_number)
        WHERE w.entries IS DISTINCT FROM b.entries
            OR (w.object_type, w.schema_name, w.object_name, w.column_name)
                IS DISTINCT FROM (b.object_type, b.schema_name, b.object_name, b.column_name)
    ),
    lines AS MATERIALIZED (
        SELECT row_number() OVER () AS id, l.*, nullif(split_part(l.line, ':', 1), '')::oid AS grantor,
            split_part(l.line, ':', 2) = '1' AS grantable, split_part(l.line, ':', 3) AS privilege,
            string_to_array(split_part(l.line, ':', 4), ',')::oid[] AS grantees
        FROM (
            SELECT false AS given, c.place, c.same_name, c.old_type AS object_type, c.old_schema AS schema_name, c.old_name AS object_name,
                c.old_column AS column_name, e.line
            FROM changed AS c
            CROSS JOIN LATERAL unnest(c.old_entries) AS e (line)
            WHERE NOT (c.same_name AND e.line = ANY (c.new_entries))
            UNION ALL
            SELECT true, c.place, c.same_name, c.new_type, c.new_schema, c.new_name, c.new_column, e.line
            FROM changed AS c
            CROSS JOIN LATERAL unnest(c.new_entries) AS e (line)
            WHERE NOT (c.same_name AND e.line = ANY (c.old_entries))
        ) AS l
    ),
    named AS MATERIALIZED (
        SELECT l.id, l.grantor, g.grantee
        FROM lines AS l
        LEFT JOIN lines AS o ON o.place = l.place AND o.given <> l.given AND o.same_name AND o.privilege = l.privilege
            AND o.grantable = l.grantable AND o.grantor = l.grantor
        CROSS JOIN LATERAL (
            SELECT unnest(l.grantees)
            EXCEPT
            SELECT unnest(o.grantees)
        ) AS g (grantee)
    ),
    roles AS MATERIALIZED (
        SELECT n.oid, coalesce(n.old_name, n.new_name) AS role_name, n.old_name IS NULL AND n.new_name IS NOT NULL AS is_new
        FROM (
            SELECT n.oid, (SELECT s.role_name FROM sync_roles.seen_roles AS s WHERE s.role_oid = n.oid) AS old_name,
                (SELECT r.rolname::text FROM pg_roles AS r WHERE r.oid = n.oid) AS new_name
            FROM (SELECT n.grantee FROM named AS n UNION SELECT n.grantor FROM named AS n) AS n (oid)
            WHERE n.oid <> 0
        ) AS n
        UNION ALL
        SELECT 0, 'public', false
    ),
    remembered_roles AS (
        INSERT INTO sync_roles.seen_roles (role_oid, role_name)
        SELECT r.oid, r.role_name FROM roles AS r WHERE r.is_new
        ON CONFLICT DO NOTHING
    ),
    gone AS (
        DELETE FROM sync_roles.seen_objects AS s
        WHERE s.ctid = ANY (ARRAY(
            SELECT w.place
            FROM was AS w
            WHERE NOT EXISTS (
                SELECT
                FROM becomes AS b
                WHERE b.class_oid = w.class_oid AND b.object_oid = w.object_oid AND b.column_number = w.column_number
            )
        ))
    ),
    remembered AS (
        INSERT INTO sync_roles.seen_objects AS s (class_oid, object_oid, column_number, object_type, schema_name, object_name, column_name,
            version, entries)
        SELECT b.class_oid, b.object_oid, b.column_number, b.object_type, b.schema_name, b.object_name, b.column_name, b.version, b.entries
        FROM becomes AS b
        ON CONFLICT (class_oid, object_oid, column_number) DO UPDATE
        SET object_type = excluded.object_type, schema_name = excluded.schema_name, object_name = excluded.object_name,
            column_name = excluded.column_name, version = excluded.version, entries = excluded.entries
        WHERE s IS DISTINCT FROM excluded
    ),
    written AS (
        INSERT INTO sync_roles.access_changes (at, given, role_names, privilege, object_type, schema_name, object_name, column_name,
            grantable, grantor, passes_on, cause, pass)
        SELECT write_object_changes.at, c.given, c.role_names, c.privilege, c.object_type, c.schema_name, c.object_name, c.column_name,
            c.grantable, c.grantor, false, write_object_changes.cause, write_object_changes.pass
        FROM (
            SELECT l.given, n.role_names, l.privilege, l.object_type, l.schema_name, l.object_name, l.column_name, l.grantable,
                g.role_name AS grantor
            FROM (
                SELECT n.id, array_agg(r.role_name) AS role_names
                FROM named AS n
                JOIN roles AS r ON r.oid = n.grantee
                GROUP BY n.id
            ) AS n
            JOIN lines AS l ON l.id = n.id
            LEFT JOIN roles AS g ON g.oid = l.grantor
        ) AS c
        -- Losses first: what is given under the same name comes after it.
        ORDER BY c.given
        RETURNING 1
    )
    SELECT count(*) INTO changes FROM written;
    RETURN changes;
END
$$;

COMMENT ON FUNCTION sync_roles.write_object_changes(text, xid8, timestamptz, oid[], oid[]) IS
    'Compares objects with seen_objects, writes what differs to access_changes, and returns how many rows that are.';

-- members: OIDs; NULL: of all managed roles, and of all that seen_memberships has.
CREATE FUNCTION sync_roles.write_membership_changes(cause text, pass xid8, at timestamptz, members oid[]) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    changes bigint;
BEGIN
    WITH asked AS MATERIALIZED (
        SELECT DISTINCT m.oid FROM unnest(members) AS m (oid)
        UNION
        SELECT r.oid
        FROM sync_roles.managed_roles AS m
        JOIN pg_roles AS r ON r.rolname = m.role_name
        WHERE members IS NULL
        UNION
        SELECT s.member_oid FROM sync_roles.seen_memberships AS s WHERE members IS NULL
    ),
    becomes AS MATERIALIZED (
        SELECT m.role_oid, m.member_oid, CASE WHEN p.passes_on THEN 0 ELSE m.grantor_oid END AS grantor_oid,
            bool_or(m.admin_option AND NOT p.passes_on) AS grantable, p.passes_on
        FROM asked AS a
        CROSS JOIN LATERAL (
            SELECT m.role_oid, m.member_oid, m.grantor_oid, m.admin_option, m.inherit_option,
                (SELECT r.rolname::text FROM pg_roles AS r WHERE r.oid = m.role_oid) AS role_name
            FROM sync_roles.memberships AS m
            WHERE m.member_oid = a.oid AND (m.inherit_option OR m.set_option)
            OFFSET 0
        ) AS m
        -- A membership that passes nothing on counts as one in any role, unless another does.
        CROSS JOIN LATERAL (
            SELECT CASE
                WHEN EXISTS (SELECT FROM sync_roles.intermediate_roles AS o WHERE o.role_oid = m.role_oid) THEN true
                WHEN starts_with(m.role_name, '_pgsr_')
                    THEN EXISTS (SELECT FROM sync_roles.python_intermediate_roles AS o WHERE o.role_oid = m.role_oid)
                ELSE false
            END AND (m.inherit_option OR EXISTS (
                SELECT
                FROM sync_roles.memberships AS i
                WHERE i.member_oid = m.member_oid AND i.role_oid = m.role_oid AND i.inherit_option
            )) AS passes_on
            OFFSET 0
        ) AS p
        WHERE m.role_name IS NOT NULL
        GROUP BY m.role_oid, m.member_oid, 3, p.passes_on
    ),
    was AS MATERIALIZED (
        SELECT s.*
        FROM asked AS a
        CROSS JOIN LATERAL (
            SELECT s.ctid AS place, s.* FROM sync_roles.seen_memberships AS s WHERE s.member_oid = a.oid OFFSET 0
        ) AS s
    ),
    changes AS MATERIALIZED (
        (SELECT false AS given, w.role_oid, w.member_oid, w.grantor_oid, w.grantable, w.passes_on FROM was AS w
        EXCEPT
        SELECT false, b.role_oid, b.member_oid, b.grantor_oid, b.grantable, b.passes_on FROM becomes AS b)
        UNION ALL
        (SELECT true, b.role_oid, b.member_oid, b.grantor_oid, b.grantable, b.passes_on FROM becomes AS b
        EXCEPT
        SELECT true, w.role_oid, w.member_oid, w.grantor_oid, w.grantable, w.passes_on FROM was AS w)
    ),
    roles AS MATERIALIZED (
        SELECT n.oid, coalesce(n.old_name, n.new_name) AS role_name, n.old_name IS NULL AND n.new_name IS NOT NULL AS is_new
        FROM (
            SELECT n.oid, (SELECT s.role_name FROM sync_roles.seen_roles AS s WHERE s.role_oid = n.oid) AS old_name,
                (SELECT r.rolname::text FROM pg_roles AS r WHERE r.oid = n.oid) AS new_name
            FROM (
                SELECT c.role_oid FROM changes AS c
                UNION
                SELECT c.member_oid FROM changes AS c
                UNION
                SELECT c.grantor_oid FROM changes AS c
            ) AS n (oid)
        ) AS n
    ),
    remembered_roles AS (
        INSERT INTO sync_roles.seen_roles (role_oid, role_name)
        SELECT r.oid, r.role_name FROM roles AS r WHERE r.is_new
        ON CONFLICT DO NOTHING
    ),
    gone AS (
        DELETE FROM sync_roles.seen_memberships AS s
        WHERE s.ctid = ANY (ARRAY(
            SELECT w.place
            FROM was AS w
            WHERE NOT EXISTS (
                SELECT
                FROM becomes AS b
                WHERE b.member_oid = w.member_oid AND b.role_oid = w.role_oid AND b.grantor_oid = w.grantor_oid
            )
        ))
    ),
    remembered AS (
        INSERT INTO sync_roles.seen_memberships (role_oid, member_oid, grantor_oid, grantable, passes_on)
        SELECT c.role_oid, c.member_oid, c.grantor_oid, c.grantable, c.passes_on FROM changes AS c WHERE c.given
        ON CONFLICT (member_oid, role_oid, grantor_oid) DO UPDATE SET grantable = excluded.grantable, passes_on = excluded.passes_on
    ),
    written AS (
        INSERT INTO sync_roles.access_changes (at, given, role_names, privilege, object_type, object_name, grantable, grantor, passes_on,
            cause, pass)
        SELECT write_membership_changes.at, c.given, c.role_names, 'MEMBER', 'role', c.object_name, c.grantable, c.grantor, c.passes_on,
            write_membership_changes.cause, write_membership_changes.pass
        FROM (
            SELECT c.given, array_agg(m.role_name) AS role_names, r.role_name AS object_name, c.grantable, g.role_name AS grantor,
                c.passes_on
            FROM changes AS c
            JOIN roles AS m ON m.oid = c.member_oid
            JOIN roles AS r ON r.oid = c.role_oid
            LEFT JOIN roles AS g ON g.oid = c.grantor_oid
            GROUP BY c.given, r.role_name, c.grantable, g.role_name, c.passes_on
        ) AS c
        ORDER BY c.given
        RETURNING 1
    )
    SELECT count(*) INTO changes FROM written;
    RETURN changes;
END
$$;

COMMENT ON FUNCTION sync_roles.write_membership_changes(text, xid8, timestamptz, oid[]) IS
    'As write_object_changes, of the memberships of these roles; NULL: of all managed ones.';

-- A role of another name: all that it has is given under that, and lost under the old one.
CREATE FUNCTION sync_roles.write_renamed_roles(cause text, at timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    renamed oid[] := ARRAY(
        SELECT s.role_oid
        FROM sync_roles.seen_roles AS s
        LEFT JOIN pg_roles AS r ON r.oid = s.role_oid
        WHERE r.rolname::text IS DISTINCT FROM s.role_name
    );
BEGIN
    IF cardinality(renamed) = 0 THEN
        RETURN;
    END IF;
    WITH names AS (
        SELECT s.role_oid, s.role_name AS old_name, coalesce(r.rolname::text, s.role_name) AS new_name
        FROM sync_roles.seen_roles AS s
        LEFT JOIN pg_roles AS r ON r.oid = s.role_oid
        UNION ALL
        SELECT 0, 'public', 'public'
    ),
    held AS (
        SELECT f.grantee, f.grantor, f.grantable, f.privilege, s.object_type, s.schema_name, s.object_name, s.column_name,
            NULL::oid AS role_oid, false AS passes_on
        FROM sync_roles.seen_objects AS s
        CROSS JOIN LATERAL unnest(s.entries) AS e (entry)
        CROSS JOIN LATERAL (
            SELECT g.grantee::oid AS grantee, nullif(split_part(e.entry, ':', 1), '')::oid AS grantor,
                split_part(e.entry, ':', 2) = '1' AS grantable, split_part(e.entry, ':', 3) AS privilege
            FROM string_to_table(split_part(e.entry, ':', 4), ',') AS g (grantee)
        ) AS f
        WHERE f.grantee = ANY (renamed) OR f.grantor = ANY (renamed)
        UNION ALL
        SELECT m.member_oid, nullif(m.grantor_oid, 0), m.grantable, 'MEMBER', 'role', NULL, NULL, NULL, m.role_oid, m.passes_on
        FROM sync_roles.seen_memberships AS m
        WHERE m.member_oid = ANY (renamed) OR m.grantor_oid = ANY (renamed) OR m.role_oid = ANY (renamed)
    )
    INSERT INTO sync_roles.access_changes (at, given, role_names, privilege, object_type, schema_name, object_name, column_name, grantable,
        grantor, passes_on, cause)
    SELECT write_renamed_roles.at, g.given, array_agg(CASE WHEN g.given THEN m.new_name ELSE m.old_name END), h.privilege, h.object_type,
        h.schema_name, coalesce(h.object_name, CASE WHEN g.given THEN r.new_name ELSE r.old_name END) AS object_name, h.column_name,
        h.grantable, CASE WHEN g.given THEN b.new_name ELSE b.old_name END AS grantor, h.passes_on, write_renamed_roles.cause
    FROM held AS h
    CROSS JOIN (VALUES (false), (true)) AS g (given)
    JOIN names AS m ON m.role_oid = h.grantee
    LEFT JOIN names AS b ON b.role_oid = h.grantor
    LEFT JOIN names AS r ON r.role_oid = h.role_oid
    GROUP BY 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12
    ORDER BY 2;
    UPDATE sync_roles.seen_roles AS s
    SET role_name = r.rolname
    FROM pg_roles AS r
    WHERE r.oid = s.role_oid AND s.role_oid = ANY (renamed);
END
$$;

COMMENT ON FUNCTION sync_roles.write_renamed_roles(text, timestamptz) IS
    'Writes to access_changes what roles have that bear another name now.';

CREATE FUNCTION sync_roles.observe_access(cause text) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = on
SET enable_sort = on
SET enable_mergejoin = on
SET jit = off
AS $$
DECLARE
    is_first boolean;
    seen_at timestamptz;
    classes oid[];
    objects oid[];
    changes bigint;
BEGIN
    LOCK TABLE sync_roles.history_state IN SHARE ROW EXCLUSIVE MODE;
    SELECT s.since IS NULL INTO is_first FROM sync_roles.history_state AS s;
    seen_at := clock_timestamp();
    IF NOT is_first THEN
        PERFORM sync_roles.write_renamed_roles(observe_access.cause, seen_at);
    END IF;
    SELECT array_agg(c.class_oid), array_agg(c.object_oid)
    INTO classes, objects
    FROM (
        SELECT coalesce(v.class_oid, s.class_oid) AS class_oid, coalesce(v.object_oid, s.object_oid) AS object_oid
        FROM sync_roles.object_versions AS v
        FULL JOIN sync_roles.seen_objects AS s USING (class_oid, object_oid, column_number)
        WHERE v.version IS DISTINCT FROM s.version OR v.schema_name IS DISTINCT FROM s.schema_name
        UNION
        SELECT o.class_oid, o.object_oid FROM sync_roles.objects AS o WHERE o.object_type = 'parameter' AND o.object_oid <> 0
    ) AS c;
    changes := sync_roles.write_object_changes(observe_access.cause, NULL, seen_at, classes, objects)
        + sync_roles.write_membership_changes(observe_access.cause, NULL, seen_at, NULL);
    -- Of roles that are gone, what they had is by now.
    DELETE FROM sync_roles.seen_roles AS s WHERE NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.oid = s.role_oid);
    -- A sync with nothing to do takes no transaction ID.
    IF is_first OR changes > 0 OR observe_access.cause <> 'manual' THEN
        UPDATE sync_roles.history_state AS s SET since = coalesce(s.since, seen_at), observed_at = seen_at;
    END IF;
    RETURN changes;
END
$$;

COMMENT ON FUNCTION sync_roles.observe_access(text) IS
    'Writes to access_changes what has changed in the whole database since it last was written, and returns how many rows that are.';

CREATE FUNCTION sync_roles.record_access(
    cause text, class_oids oid[], object_oids oid[], followers_of oid[], schema_names text[], member_names text[]
) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_first boolean;
    done_at timestamptz;
    changes bigint := 0;
BEGIN
    LOCK TABLE sync_roles.history_state IN SHARE ROW EXCLUSIVE MODE;
    SELECT s.since IS NULL INTO is_first FROM sync_roles.history_state AS s;
    done_at := clock_timestamp();
    IF cardinality(followers_of) > 0 THEN
        SELECT class_oids || array_agg(d.classid), object_oids || array_agg(d.objid)
        INTO class_oids, object_oids
        FROM pg_depend AS d
        WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY (followers_of) AND d.classid = 'pg_class'::regclass
            AND d.deptype IN ('a', 'i');
    END IF;
    IF cardinality(schema_names) > 0 THEN
        SELECT class_oids || array_agg('pg_namespace'::regclass::oid), object_oids || array_agg(n.oid)
        INTO class_oids, object_oids
        FROM pg_namespace AS n
        WHERE n.nspname = ANY (schema_names);
    END IF;
    IF cardinality(class_oids) > 0 THEN
        changes := sync_roles.write_object_changes(record_access.cause, pg_current_xact_id(), done_at, class_oids, object_oids);
    END IF;
    IF cardinality(member_names) > 0 THEN
        changes := changes + sync_roles.write_membership_changes(record_access.cause, pg_current_xact_id(), done_at,
            ARRAY(SELECT r.oid FROM pg_roles AS r WHERE r.rolname = ANY (member_names)));
    END IF;
    IF is_first THEN
        changes := changes + sync_roles.observe_access(record_access.cause);
    END IF;
    RETURN changes;
END
$$;

COMMENT ON FUNCTION sync_roles.record_access(text, oid[], oid[], oid[], text[], text[]) IS
    'Writes to access_changes what a pass has done to these objects, to what follows these tables, to these schemas, and to the '
    'memberships of these roles; the first time, also all that is there.';

-- A change is for many roles: of one, the ended periods go, and the rest is written again in its place.
CREATE FUNCTION sync_roles.forget_access(keep interval) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    before constant timestamptz := now() - keep;
    shortened sync_roles.access_changes[];
    forgotten bigint;
BEGIN
    LOCK TABLE sync_roles.history_state IN SHARE ROW EXCLUSIVE MODE;
    UPDATE sync_roles.history_state AS s SET since = greatest(s.since, before) WHERE s.since < before;
    -- Without an end that is old enough there is nothing to forget.
    IF NOT EXISTS (SELECT FROM sync_roles.access_changes AS c WHERE NOT c.given AND c.at < before) THEN
        RETURN 0;
    END IF;
    WITH ordered AS MATERIALIZED (
        SELECT c.id, r.role_name, CASE WHEN c.given THEN coalesce(lead(c.at) OVER w, 'infinity') ELSE c.at END < before AS is_over
        FROM sync_roles.access_changes AS c
        CROSS JOIN LATERAL unnest(c.role_names) AS r (role_name)
        WINDOW w AS (
            PARTITION BY r.role_name, c.privilege, c.object_type, c.schema_name, c.object_name, c.column_name, c.grantor, c.passes_on
            ORDER BY c.id
        )
    ),
    rest AS MATERIALIZED (
        SELECT o.id, array_agg(o.role_name) FILTER (WHERE NOT o.is_over) AS role_names
        FROM ordered AS o
        GROUP BY o.id
        HAVING bool_or(o.is_over)
    ),
    gone AS (
        DELETE FROM sync_roles.access_changes AS c USING rest AS r WHERE c.id = r.id RETURNING c.*
    )
    SELECT array_agg(ROW(g.id, g.at, g.given, r.role_names, g.privilege, g.object_type, g.schema_name, g.object_name, g.column_name,
            g.grantable, g.grantor, g.passes_on, g.cause, g.pass)::sync_roles.access_changes) FILTER (WHERE r.role_names IS NOT NULL),
        count(*)
    INTO shortened, forgotten
    FROM gone AS g
    JOIN rest AS r ON r.id = g.id;
    INSERT INTO sync_roles.access_changes OVERRIDING SYSTEM VALUE SELECT s.* FROM unnest(shortened) AS s;
    RETURN forgotten;
END
$$;

COMMENT ON FUNCTION sync_roles.forget_access(interval) IS
    'Deletes from access_changes the periods that ended before that, and returns in how many rows. Others stay. For the retention.';

CREATE VIEW sync_roles.access_periods AS
SELECT p.role_name, p.privilege, p.object_type, p.schema_name, p.object_name, p.column_name, p.grantable, p.grantor, p.passes_on,
    tstzrange(p.at, p.until) AS valid, p.cause, p.pass, p.ended_cause, p.ended_pass
FROM (
    SELECT c.*, r.role_name, lead(c.at) OVER w AS until, lead(c.cause) OVER w AS ended_cause, lead(c.pass) OVER w AS ended_pass
    FROM sync_roles.access_changes AS c
    CROSS JOIN LATERAL unnest(c.role_names) AS r (role_name)
    WINDOW w AS (
        PARTITION BY r.role_name, c.privilege, c.object_type, c.schema_name, c.object_name, c.column_name, c.grantor, c.passes_on
        ORDER BY c.id
    )
) AS p
WHERE p.given AND (p.until IS NULL OR p.until > p.at);

COMMENT ON VIEW sync_roles.access_periods IS 'Internal. What all roles held, also those that are not managed, and intermediate roles.';
COMMENT ON COLUMN sync_roles.access_periods.role_name IS 'As in access_history.';
COMMENT ON COLUMN sync_roles.access_periods.privilege IS 'As in access_history.';
COMMENT ON COLUMN sync_roles.access_periods.object_type IS 'As in access_history.';
COMMENT ON COLUMN sync_roles.access_periods.schema_name IS 'As in access_history.';
COMMENT ON COLUMN sync_roles.access_periods.object_name IS 'As in access_history.';
COMMENT ON COLUMN sync_roles.access_periods.column_name IS 'As in access_history.';
COMMENT ON COLUMN sync_roles.access_periods.grantable IS 'As in access_history.';
COMMENT ON COLUMN sync_roles.access_periods.grantor IS 'As in access_history.';
COMMENT ON COLUMN sync_roles.access_periods.passes_on IS 'As in access_changes.';
COMMENT ON COLUMN sync_roles.access_periods.valid IS 'As in access_history.';
COMMENT ON COLUMN sync_roles.access_periods.cause IS 'As in access_history.';
COMMENT ON COLUMN sync_roles.access_periods.pass IS 'As in access_history.';
COMMENT ON COLUMN sync_roles.access_periods.ended_cause IS 'As in access_history.';
COMMENT ON COLUMN sync_roles.access_periods.ended_pass IS 'As in access_history.';

-- A role is managed until the pass that has dealt with the end of its last row.
CREATE VIEW sync_roles.managed_periods AS
SELECT m.role_name, range_agg(m.valid) AS valid
FROM (
    SELECT g.role_name, tstzrange(min(g.created_at), NULL) AS valid FROM sync_roles.desired_grants AS g GROUP BY g.role_name
    UNION ALL
    SELECT r.role_name, tstzrange(r.created_at, NULL) FROM sync_roles.desired_roles AS r
    UNION ALL
    SELECT v.role_name, tstzrange(v.since, coalesce(
        (SELECT min(a.at) FROM sync_roles.audit AS a WHERE a.role_name = v.role_name AND a.at > v.until),
        CASE WHEN v.role_name NOT IN (SELECT m.role_name FROM sync_roles.managed_roles AS m) THEN v.until END
    ))
    FROM (
        SELECT v.role_name, v.table_name, v.row_id, min(lower(v.valid)) AS since, max(upper(v.valid)) AS until
        FROM sync_roles.row_versions AS v
        WHERE v.table_name IN ('desired_grants', 'desired_roles') AND NOT upper_inf(v.valid)
        GROUP BY v.role_name, v.table_name, v.row_id
    ) AS v
) AS m
GROUP BY m.role_name;

COMMENT ON VIEW sync_roles.managed_periods IS 'Internal. When each role was managed.';
COMMENT ON COLUMN sync_roles.managed_periods.role_name IS 'The role.';
COMMENT ON COLUMN sync_roles.managed_periods.valid IS 'When a row named it, and until a pass had dealt with the end of the last one.';

CREATE VIEW sync_roles.access_history AS
WITH managed AS MATERIALIZED (
    SELECT m.role_name, m.valid FROM sync_roles.managed_periods AS m
),
periods AS MATERIALIZED (
    SELECT p.*
    FROM sync_roles.access_periods AS p
),
held AS (
    SELECT p.role_name, p.privilege, p.object_type, p.schema_name, p.object_name, p.column_name, p.grantable, NULL::text AS via, p.valid,
        p.cause, p.pass, p.grantor, p.ended_cause, p.ended_pass, p.pass IS NOT NULL AS exact
    FROM periods AS p
    WHERE NOT p.passes_on
    UNION ALL
    SELECT m.role_name, p.privilege, p.object_type, p.schema_name, p.object_name, p.column_name, p.grantable, m.object_name,
        m.valid * p.valid, CASE WHEN later.membership THEN m.cause ELSE p.cause END, CASE WHEN later.membership THEN m.pass ELSE p.pass END,
        p.grantor,
        CASE WHEN earlier.membership THEN m.ended_cause ELSE p.ended_cause END,
        CASE WHEN earlier.membership THEN m.ended_pass ELSE p.ended_pass END,
        m.pass IS NOT NULL AND p.pass IS NOT NULL
    FROM periods AS m
    JOIN periods AS p ON p.role_name = m.object_name AND p.privilege <> 'OWNER' AND p.object_type <> 'role' AND p.valid && m.valid
    CROSS JOIN LATERAL (SELECT lower(m.valid) >= lower(p.valid) AS membership) AS later
    CROSS JOIN LATERAL (
        SELECT coalesce(upper(m.valid), 'infinity') <= coalesce(upper(p.valid), 'infinity') AS membership
    ) AS earlier
    WHERE m.passes_on
)
SELECT h.role_name, h.privilege, h.object_type, h.schema_name, h.object_name, h.column_name, h.grantable, h.via, v.valid, h.cause, h.pass,
    h.grantor, h.exact, h.ended_cause, h.ended_pass
FROM held AS h
JOIN managed AS m ON m.role_name = h.role_name
CROSS JOIN LATERAL unnest(m.valid * tstzmultirange(h.valid)) AS v (valid);

COMMENT ON VIEW sync_roles.access_history IS
    'What managed roles held, from when until when: what passes did, at the time of the pass, and what others did, at the time when the '
    'daemon saw it. Once for each way in which it was held. For auditors: whoever reads it sees all roles.';
COMMENT ON COLUMN sync_roles.access_history.role_name IS 'The role; public is PUBLIC.';
COMMENT ON COLUMN sync_roles.access_history.privilege IS 'As in actual_grants.';
COMMENT ON COLUMN sync_roles.access_history.object_type IS 'As in actual_grants; role for memberships.';
COMMENT ON COLUMN sync_roles.access_history.schema_name IS 'As in actual_grants.';
COMMENT ON COLUMN sync_roles.access_history.object_name IS 'As in actual_grants: the name that the object had.';
COMMENT ON COLUMN sync_roles.access_history.column_name IS 'As in actual_grants.';
COMMENT ON COLUMN sync_roles.access_history.grantable IS 'As in actual_grants.';
COMMENT ON COLUMN sync_roles.access_history.via IS 'The intermediate role that held it for the role.';
COMMENT ON COLUMN sync_roles.access_history.valid IS 'From when until when; without an end: it is held.';
COMMENT ON COLUMN sync_roles.access_history.cause IS 'Of the pass that gave it, or of the rescan that saw it: as audit.cause.';
COMMENT ON COLUMN sync_roles.access_history.pass IS 'The pass that gave it, as audit.pass; NULL: a rescan saw it.';
COMMENT ON COLUMN sync_roles.access_history.grantor IS 'As in actual_grants.';
COMMENT ON COLUMN sync_roles.access_history.exact IS
    'Whether a pass gave it, so that its beginning is exact. False: it was given before a rescan saw it.';
COMMENT ON COLUMN sync_roles.access_history.ended_cause IS 'As cause, for its end.';
COMMENT ON COLUMN sync_roles.access_history.ended_pass IS 'The pass that took it; NULL: it is held, or was gone when a rescan looked.';

CREATE VIEW sync_roles.history_begin AS
SELECT s.since, s.observed_at FROM sync_roles.history_state AS s;

GRANT SELECT ON sync_roles.history_begin TO PUBLIC;
COMMENT ON VIEW sync_roles.history_begin IS 'From when access_as_of can answer.';
COMMENT ON COLUMN sync_roles.history_begin.since IS
    'The first rescan after the installation, or what the retention has left. NULL: no history yet.';
COMMENT ON COLUMN sync_roles.history_begin.observed_at IS 'When what others did was last looked for.';

-- It reads views with the rights of who calls it.
CREATE FUNCTION sync_roles.access_as_of(at timestamptz) RETURNS TABLE (
    role_name text, privilege text, object_type text, schema_name text, object_name text, column_name text, grantable boolean, grantor text,
    via text, since timestamptz, exact boolean, grant_ids bigint[], requested_by text[], notes text[]
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    begins timestamptz;
BEGIN
    SELECT b.since INTO begins FROM sync_roles.history_begin AS b;
    IF access_as_of.at IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
            MESSAGE = 'at is NULL: access_as_of takes a time, such as ''2026-03-31 18:00''';
    ELSIF begins IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = 'there is no history of access yet',
            HINT = 'It begins with the first rescan. Is pg-sync-roles running?';
    ELSIF access_as_of.at < begins THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('the history of access begins at %s, and %s is before that', begins, access_as_of.at),
            HINT = 'Older history was never recorded, or has been deleted by --audit-retention.';
    ELSIF access_as_of.at > clock_timestamp() THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('%s is in the future: access_as_of tells what roles held', access_as_of.at),
            HINT = 'sync_roles.actual_grants has what they hold now.';
    END IF;
    RETURN QUERY
    WITH RECURSIVE held AS MATERIALIZED (
        SELECT row_number() OVER () AS number, h.*, sync_roles.own_name(h.object_type, h.object_name) AS own_name
        FROM sync_roles.access_history AS h
        WHERE h.valid @> access_as_of.at
    ),
    asking AS MATERIALIZED (
        SELECT g.id, g.role_name, g.privilege, g.object_type, coalesce(g.schema_name, '') AS schema_name, g.object_name, g.name_match,
            coalesce(g.column_name, '') AS column_name, coalesce(g.schema_match, 'exact') AS schema_match,
            coalesce(g.except_names, '{}') AS except_names, coalesce(g.except_schemas, '{}') AS except_schemas,
            coalesce(g.except_columns, '{}') AS except_columns, coalesce(g.partitions, false) AS partitions, g.note,
            coalesce(d.written_by, g.created_by) AS written_by, g.created_by
        FROM sync_roles.desired_history AS d
        CROSS JOIN LATERAL jsonb_populate_record(NULL::sync_roles.desired_grants, d."row") AS g
        WHERE d.table_name = 'desired_grants' AND d.valid @> access_as_of.at
    ),
    -- Of partitions, and tables that inherit, their parents: those of now, which the history does not keep.
    inherits (child_oid, parent_oid) AS (
        SELECT i.inhrelid, i.inhparent FROM pg_inherits AS i
        UNION
        SELECT b.child_oid, i.inhparent FROM inherits AS b JOIN pg_inherits AS i ON i.inhrelid = b.parent_oid
    ),
    above AS MATERIALIZED (
        SELECT n.nspname::text AS schema_name, c.relname::text AS object_name, m.nspname::text AS parent_schema,
            p.relname::text AS parent_name
        FROM inherits AS i
        JOIN pg_class AS c ON c.oid = i.child_oid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_class AS p ON p.oid = i.parent_oid
        JOIN pg_namespace AS m ON m.oid = p.relnamespace
    ),
    pairs AS (
        SELECT h.number, a.id
        FROM held AS h
        JOIN asking AS a ON a.role_name = h.role_name AND a.object_type = h.object_type AND a.schema_name = coalesce(h.schema_name, '')
            AND a.object_name = h.object_name AND a.privilege = h.privilege AND a.column_name = coalesce(h.column_name, '')
        WHERE a.name_match = 'exact'
        UNION
        SELECT h.number, a.id
        FROM held AS h
        JOIN asking AS a ON a.role_name = h.role_name AND a.object_type = h.object_type
        CROSS JOIN LATERAL (
            SELECT sync_roles.compared_name(a.schema_name, a.schema_match, a.except_schemas) AS schema_name,
                sync_roles.compared_match(a.schema_match, a.except_schemas) AS schema_match,
                sync_roles.compared_name(a.object_name, a.name_match, a.except_names) AS object_name,
                sync_roles.compared_match(a.name_match, a.except_names) AS name_match,
                sync_roles.compared_column(nullif(a.column_name, ''), a.name_match, a.except_columns) AS column_name,
                sync_roles.compared_match('exact', a.except_columns) AS column_match
        ) AS c
        WHERE (a.privilege = 'ALL' OR a.name_match <> 'exact' OR a.schema_match <> 'exact' OR a.except_columns <> '{}' OR a.partitions
                OR a.object_type = 'routine')
            AND (a.privilege = h.privilege OR a.privilege = 'ALL' AND h.privilege <> 'OWNER')
            AND sync_roles.is_column(coalesce(h.column_name, ''), coalesce(c.column_name, ''), c.column_match)
            AND (
                sync_roles.in_schema(coalesce(h.schema_name, ''), c.schema_name, c.schema_match)
                    AND sync_roles.means(c.object_name, c.name_match, h.own_name, h.object_name)
                OR a.partitions AND EXISTS (
                    SELECT
                    FROM above AS p
                    WHERE p.schema_name = h.schema_name AND p.object_name = h.object_name
                        AND sync_roles.in_schema(p.parent_schema, c.schema_name, c.schema_match)
                        AND sync_roles.means(c.object_name, c.name_match, p.parent_name, NULL)
                )
            )
    ),
    reasons AS (
        SELECT p.number, array_agg(DISTINCT a.id) AS grant_ids,
            array_agg(DISTINCT a.created_by) FILTER (WHERE a.created_by IS NOT NULL) AS requested_by,
            array_agg(DISTINCT a.note) FILTER (WHERE a.note IS NOT NULL) AS notes
        FROM pairs AS p
        JOIN asking AS a ON a.id = p.id
        GROUP BY p.number
    )
    SELECT h.role_name, h.privilege, h.object_type, h.schema_name, h.object_name, h.column_name, h.grantable, h.grantor, h.via,
        lower(h.valid), h.exact, coalesce(r.grant_ids, '{}'), coalesce(r.requested_by, '{}'), coalesce(r.notes, '{}')
    FROM held AS h
    LEFT JOIN reasons AS r ON r.number = h.number
    ORDER BY 1, 3, 4, 5, 6, 2, 9;
END
$$;

COMMENT ON FUNCTION sync_roles.access_as_of(timestamptz) IS
    'What managed roles held at that time, in the columns of actual_grants, and since when; exact: a pass gave it, otherwise a rescan '
    'saw it; and the rows that asked for it then, by whom and why: none, where it was given by hand. With the rights of the caller: '
    'it takes SELECT on access_history and desired_history.';

-- Hand changes. The event triggers are a superuser's, and so is the table that they write to, in a schema of its own: what a superuser's
-- function writes to a table of another runs that other's triggers. See eventtriggers/on.sql.

-- Until they are there, it is empty.
CREATE VIEW sync_roles.hand_changes AS
SELECT NULL::timestamptz AS at, NULL::text AS "session_user", NULL::text AS "current_user", NULL::text AS application_name,
    NULL::inet AS client_addr, NULL::text AS command_tag, NULL::text AS object_type, NULL::text AS schema_name,
    NULL::text AS object_identity, NULL::text AS statement, NULL::bigint AS id
WHERE false;

COMMENT ON VIEW sync_roles.hand_changes IS
    'Who changed privileges, owners and objects by hand, with event triggers (migrate --event-triggers). GRANT of a role, CREATE ROLE, '
    'ALTER ROLE and what concerns databases and tablespaces fires none.';
COMMENT ON COLUMN sync_roles.hand_changes.at IS 'When.';
COMMENT ON COLUMN sync_roles.hand_changes."session_user" IS 'The login.';
COMMENT ON COLUMN sync_roles.hand_changes."current_user" IS 'The role that it had become by SET ROLE.';
COMMENT ON COLUMN sync_roles.hand_changes.application_name IS 'application_name of the session.';
COMMENT ON COLUMN sync_roles.hand_changes.client_addr IS 'Where it came from; NULL: a Unix socket.';
COMMENT ON COLUMN sync_roles.hand_changes.command_tag IS 'The command, such as GRANT.';
COMMENT ON COLUMN sync_roles.hand_changes.object_type IS 'The kind of object, in PostgreSQL''s words.';
COMMENT ON COLUMN sync_roles.hand_changes.schema_name IS 'Its schema. GRANT and REVOKE do not say on what: the statement does.';
COMMENT ON COLUMN sync_roles.hand_changes.object_identity IS 'The object.';
COMMENT ON COLUMN sync_roles.hand_changes.statement IS
    'What the client sent, the first 2,000 characters; in a statement with a password, strings are left out.';
COMMENT ON COLUMN sync_roles.hand_changes.id IS 'Order of writing.';

REVOKE EXECUTE ON FUNCTION sync_roles.keep_ended_grants(), sync_roles.keep_all_grants(), sync_roles.keep_replicated_grant(),
    sync_roles.keep_versions() FROM PUBLIC;

UPDATE sync_roles.installation SET schema_version = 29;
