-- The audit as a chain: each row has a hash over itself and the hash of the row before it, so that a row which is changed, removed, inserted or
-- moved no longer fits. The daemon computes the hashes, and pg-sync-roles audit verify checks them with SQL of its own: neither calls a function of
-- this schema, which whoever owns it could replace. docs/audit.md says what the chain proves.

ALTER TABLE sync_roles.audit
    ADD COLUMN seq bigint,
    ADD COLUMN previous_hash bytea,
    ADD COLUMN hash bytea;

-- Rows from before the chain have none of these, hence NOT VALID. A daemon of an older version, which would go on writing such rows, fails here,
-- connects again, and then finds a schema that is too new for it.
ALTER TABLE sync_roles.audit ADD CONSTRAINT audit_is_chained
    CHECK (seq IS NOT NULL AND previous_hash IS NOT NULL AND hash IS NOT NULL) NOT VALID;

-- Not unique: a forged row must not keep the daemon from writing the true one. The verification finds both.
CREATE INDEX audit_seq ON sync_roles.audit (seq);

COMMENT ON TABLE sync_roles.audit IS 'What happened. A change''s row commits in the same transaction as the change; a failure''s row in its own. The rows form a chain, which pg-sync-roles audit verify checks.';
COMMENT ON COLUMN sync_roles.audit.seq IS 'Place in the chain, which has no gaps: what is missing, audit_removals accounts for. NULL: written before the chain began.';
COMMENT ON COLUMN sync_roles.audit.previous_hash IS 'hash of the place before: a row here or in audit_removals, or audit_chain.begin_hash.';
COMMENT ON COLUMN sync_roles.audit.hash IS 'SHA-256 over all other columns of this row.';

CREATE TABLE sync_roles.audit_removals (
    seq           bigint NOT NULL,
    previous_hash bytea NOT NULL,
    hash          bytea NOT NULL,
    at            timestamptz NOT NULL,
    older_than    timestamptz NOT NULL,
    rows          bigint NOT NULL,
    rows_before   bigint NOT NULL,
    rows_changed  bigint NOT NULL,
    last_id       bigint NOT NULL,
    last_at       timestamptz NOT NULL,
    runs          jsonb NOT NULL,
    instance      text NOT NULL,
    pass          xid8 NOT NULL
);

CREATE INDEX audit_removals_seq ON sync_roles.audit_removals (seq);
CREATE INDEX audit_removals_pass ON sync_roles.audit_removals (pass);

COMMENT ON TABLE sync_roles.audit_removals IS 'What the retention removed from audit: one row for each transaction, a place in the same chain. It bridges the places that have gone.';
COMMENT ON COLUMN sync_roles.audit_removals.seq IS 'Place in the chain, counted together with those of audit.';
COMMENT ON COLUMN sync_roles.audit_removals.previous_hash IS 'hash of the place before.';
COMMENT ON COLUMN sync_roles.audit_removals.hash IS 'SHA-256 over all other columns of this row.';
COMMENT ON COLUMN sync_roles.audit_removals.at IS 'When they were removed.';
COMMENT ON COLUMN sync_roles.audit_removals.older_than IS 'Only rows older than this were removed: --audit-retention before the removal.';
COMMENT ON COLUMN sync_roles.audit_removals.rows IS 'How many rows were removed.';
COMMENT ON COLUMN sync_roles.audit_removals.rows_before IS 'How many of them were from before the chain.';
COMMENT ON COLUMN sync_roles.audit_removals.rows_changed IS 'How many of them no longer fitted their hash, or each other, when they were removed: more than none is tampering.';
COMMENT ON COLUMN sync_roles.audit_removals.last_id IS 'The highest audit.id among them.';
COMMENT ON COLUMN sync_roles.audit_removals.last_at IS 'When the youngest of them was written.';
COMMENT ON COLUMN sync_roles.audit_removals.runs IS 'The places that have gone, as runs without a gap: an array of [first seq, last seq, previous_hash of the first, hash of the last].';
COMMENT ON COLUMN sync_roles.audit_removals.instance IS 'Which daemon removed them.';
COMMENT ON COLUMN sync_roles.audit_removals.pass IS 'The transaction that removed them.';

CREATE TABLE sync_roles.audit_chain (
    singleton   boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    begun_at    timestamptz NOT NULL,
    rows_before bigint NOT NULL,
    id_before   bigint NOT NULL,
    begin_hash  bytea NOT NULL,
    seq         bigint NOT NULL,
    hash        bytea NOT NULL
);

COMMENT ON TABLE sync_roles.audit_chain IS 'Where the chain of audit begins and ends. Whoever writes audit locks this row, last in the transaction, and so writes come one after another.';
COMMENT ON COLUMN sync_roles.audit_chain.singleton IS 'There is one row.';
COMMENT ON COLUMN sync_roles.audit_chain.begun_at IS 'When the chain began: at the installation, or at the upgrade to this version.';
COMMENT ON COLUMN sync_roles.audit_chain.rows_before IS 'How many rows audit had by then. They are not part of the chain.';
COMMENT ON COLUMN sync_roles.audit_chain.id_before IS 'The highest audit.id among those.';
COMMENT ON COLUMN sync_roles.audit_chain.begin_hash IS 'SHA-256 over begun_at, rows_before and id_before: what the first place follows.';
COMMENT ON COLUMN sync_roles.audit_chain.seq IS 'The last place, in audit or audit_removals; 0: none yet.';
COMMENT ON COLUMN sync_roles.audit_chain.hash IS 'Its hash; begin_hash if there is none yet.';

INSERT INTO sync_roles.audit_chain (begun_at, rows_before, id_before, begin_hash, seq, hash)
SELECT b.begun_at, b.rows_before, b.id_before, b.begin_hash, 0, b.begin_hash
FROM (
    SELECT b.begun_at, b.rows_before, b.id_before,
        pg_catalog.sha256(pg_catalog.convert_to(
            pg_catalog.json_build_array('begin', EXTRACT(EPOCH FROM b.begun_at)::text, b.rows_before, b.id_before)::text, 'UTF8')) AS begin_hash
    FROM (
        SELECT pg_catalog.clock_timestamp() AS begun_at, pg_catalog.count(*) AS rows_before, coalesce(pg_catalog.max(a.id), 0) AS id_before
        FROM sync_roles.audit AS a
    ) AS b
) AS b;

-- Rows are deleted by the retention alone: in a session of the owner that says so to this trigger, and that has recorded it.
CREATE OR REPLACE FUNCTION sync_roles.audit_is_append_only() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME IN ('audit', 'rescans')
        AND current_setting('sync_roles.retention', true) = 'on'
        AND pg_has_role((SELECT c.relowner FROM pg_catalog.pg_class AS c WHERE c.oid = TG_RELID), 'USAGE')
    THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
        MESSAGE = format('%s of sync_roles.%s is not allowed: what happened stays on record', TG_OP, TG_TABLE_NAME),
        HINT = 'Deleting old rows is left to pg-sync-roles.';
END
$$;

COMMENT ON FUNCTION sync_roles.audit_is_append_only() IS 'Trigger: rows of the audit are never changed, and deleted only by the retention of the schema''s owner.';

CREATE FUNCTION sync_roles.audit_removal_is_recorded() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (
        SELECT
        FROM (SELECT count(*) AS rows, max(o.id) AS last_id FROM old_rows AS o) AS o
        WHERE o.rows > 0
            AND NOT EXISTS (
                SELECT
                FROM sync_roles.audit_removals AS r
                WHERE r.pass = pg_current_xact_id() AND r.rows = o.rows AND r.last_id = o.last_id
            )
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = 'DELETE of sync_roles.audit is not allowed: what happened stays on record',
            DETAIL = 'No row of sync_roles.audit_removals accounts for these rows.',
            HINT = 'Deleting old rows is left to pg-sync-roles.';
    END IF;
    RETURN NULL;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.audit_removal_is_recorded() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.audit_removal_is_recorded() IS 'Trigger: what is deleted from the audit has a row in audit_removals, of the same transaction. Whether that row is true, the verification finds out.';

CREATE TRIGGER removal_is_recorded AFTER DELETE ON sync_roles.audit
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.audit_removal_is_recorded();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON sync_roles.audit_removals
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.audit_is_append_only();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON sync_roles.audit_chain
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.audit_is_append_only();

-- Only the owner writes, whatever privileges others were given; and nobody else can lock the row that every pass must lock.
ALTER TABLE sync_roles.audit ENABLE ROW LEVEL SECURITY;
ALTER TABLE sync_roles.audit_removals ENABLE ROW LEVEL SECURITY;
ALTER TABLE sync_roles.audit_chain ENABLE ROW LEVEL SECURITY;
CREATE POLICY readers_see ON sync_roles.audit FOR SELECT USING (true);
CREATE POLICY readers_see ON sync_roles.audit_removals FOR SELECT USING (true);
CREATE POLICY readers_see ON sync_roles.audit_chain FOR SELECT USING (true);

UPDATE sync_roles.installation SET schema_version = 8;
