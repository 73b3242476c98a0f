-- The tables: what people ask for, what is left to do, what was done.
-- Names are compared with those in the catalogs, whose type name has the collation "C": with another, no index would serve.
-- The schema itself is created by the installer, because golang-migrate's version table lives in it too.

CREATE TABLE sync_roles.desired_grants (
    id                   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    role_name            text COLLATE "C" NOT NULL,
    privilege            text COLLATE "C" NOT NULL,
    object_type          text COLLATE "C" NOT NULL,
    schema_name          text COLLATE "C",
    object_name          text COLLATE "C" NOT NULL,
    name_match           text COLLATE "C" NOT NULL DEFAULT 'exact',
    column_name          text COLLATE "C",
    direct               boolean,
    grantable            boolean NOT NULL DEFAULT false,
    create_if_not_exists boolean NOT NULL DEFAULT false,
    expires_at           timestamptz,
    note                 text,
    created_by           text NOT NULL DEFAULT session_user,
    created_at           timestamptz NOT NULL DEFAULT now()
);

-- The same role, privilege and selector only once. (NULLS NOT DISTINCT needs PostgreSQL 15; no name is empty.)
CREATE UNIQUE INDEX desired_grants_selector ON sync_roles.desired_grants
    (role_name, object_type, object_name, privilege, coalesce(schema_name, ''), name_match, coalesce(column_name, ''));
CREATE INDEX desired_grants_owner ON sync_roles.desired_grants (object_type, object_name) WHERE privilege = 'OWNER';
CREATE INDEX desired_grants_pattern ON sync_roles.desired_grants (role_name, object_type) WHERE name_match <> 'exact';
CREATE INDEX desired_grants_expires_at ON sync_roles.desired_grants (expires_at) WHERE expires_at IS NOT NULL;

COMMENT ON TABLE sync_roles.desired_grants IS 'What roles should have. INSERT a row to grant, DELETE it to take away.';
COMMENT ON COLUMN sync_roles.desired_grants.id IS 'Identifies the row in audit.problems and grant_status.';
COMMENT ON COLUMN sync_roles.desired_grants.role_name IS 'The grantee, exactly as spelled (never folded), at most 63 bytes. It is created if it does not exist. "public" is PUBLIC.';
COMMENT ON COLUMN sync_roles.desired_grants.privilege IS 'A privilege of the object type, such as SELECT; ALL for every privilege that the type has on this server; MEMBER of a role; OWNER.';
COMMENT ON COLUMN sync_roles.desired_grants.object_type IS 'role, database, schema, table (also views, materialized views, foreign and partitioned tables), sequence, routine, type, language, foreign_data_wrapper, foreign_server, tablespace, parameter or large_object.';
COMMENT ON COLUMN sync_roles.desired_grants.schema_name IS 'The schema, exactly for the types that live in one: table, sequence, routine, type.';
COMMENT ON COLUMN sync_roles.desired_grants.object_name IS 'The object''s own name, or a pattern for it (name_match). It need not exist yet.';
COMMENT ON COLUMN sync_roles.desired_grants.name_match IS 'How object_name is compared: exact, like (escape character: backslash) or regex (PostgreSQL''s; it must match the whole name).';
COMMENT ON COLUMN sync_roles.desired_grants.column_name IS 'A column of the table, for SELECT, INSERT, UPDATE and REFERENCES.';
COMMENT ON COLUMN sync_roles.desired_grants.direct IS 'NULL: on the object or through an intermediate role, as the engine sees fit; true: on the object itself; false: through an intermediate role.';
COMMENT ON COLUMN sync_roles.desired_grants.grantable IS 'WITH GRANT OPTION; for MEMBER, WITH ADMIN OPTION.';
COMMENT ON COLUMN sync_roles.desired_grants.create_if_not_exists IS 'Only for OWNER of a schema: create the schema if it does not exist.';
COMMENT ON COLUMN sync_roles.desired_grants.expires_at IS 'When this has passed, the access is taken away and the row deleted.';
COMMENT ON COLUMN sync_roles.desired_grants.note IS 'Why: a ticket, a reason.';
COMMENT ON COLUMN sync_roles.desired_grants.created_by IS 'Who wrote the row: session_user.';
COMMENT ON COLUMN sync_roles.desired_grants.created_at IS 'When the row was written: now().';

CREATE TABLE sync_roles.desired_roles (
    role_name                             text COLLATE "C" PRIMARY KEY,
    login                                 boolean,
    createdb                              boolean,
    createrole                            boolean,
    inherit                               boolean,
    replication                           boolean,
    bypassrls                             boolean,
    connection_limit                      integer,
    password_verifier                     text,
    valid_until                           timestamptz,
    settings                              jsonb,
    revoke_other                          text[] NOT NULL DEFAULT '{}',
    preserve_existing_grants_in_schemas   text[] NOT NULL DEFAULT '{}',
    note                                  text,
    created_by                            text NOT NULL DEFAULT session_user,
    created_at                            timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE sync_roles.desired_roles IS 'Optional: what a role is, and how strictly it is kept to its desired grants. Deleting a row leaves the attributes as they are.';
COMMENT ON COLUMN sync_roles.desired_roles.role_name IS 'The role, exactly as spelled. It is created if it does not exist.';
COMMENT ON COLUMN sync_roles.desired_roles.login IS 'LOGIN or NOLOGIN. NULL: left as it is.';
COMMENT ON COLUMN sync_roles.desired_roles.createdb IS 'CREATEDB or NOCREATEDB. NULL: left as it is.';
COMMENT ON COLUMN sync_roles.desired_roles.createrole IS 'CREATEROLE or NOCREATEROLE; true only where the daemon runs with --allow-attribute createrole. NULL: left as it is.';
COMMENT ON COLUMN sync_roles.desired_roles.inherit IS 'INHERIT or NOINHERIT. NULL: left as it is.';
COMMENT ON COLUMN sync_roles.desired_roles.replication IS 'REPLICATION or NOREPLICATION; true only where the daemon runs with --allow-attribute replication. NULL: left as it is.';
COMMENT ON COLUMN sync_roles.desired_roles.bypassrls IS 'BYPASSRLS or NOBYPASSRLS; true only where the daemon runs with --allow-attribute bypassrls. NULL: left as it is.';
COMMENT ON COLUMN sync_roles.desired_roles.connection_limit IS 'CONNECTION LIMIT; -1: none. NULL: left as it is.';
COMMENT ON COLUMN sync_roles.desired_roles.password_verifier IS 'A SCRAM-SHA-256 verifier, never a password; empty: the role has no password. NULL: left as it is. Treat it as a secret.';
COMMENT ON COLUMN sync_roles.desired_roles.valid_until IS 'VALID UNTIL; infinity: the password never expires. NULL: left as it is.';
COMMENT ON COLUMN sync_roles.desired_roles.settings IS 'ALTER ROLE ... IN DATABASE ... SET, for this database: an object of setting names and values, which may be lists; what is not in it is reset. NULL: left as they are.';
COMMENT ON COLUMN sync_roles.desired_roles.revoke_other IS 'Kinds of which the role keeps nothing but what desired_grants says: role_memberships, table_selects, schema_usage, databases, schemas, tables, sequences, routines, types, languages, foreign_data_wrappers, foreign_servers, tablespaces, parameters, large_objects, ownerships, or all.';
COMMENT ON COLUMN sync_roles.desired_roles.preserve_existing_grants_in_schemas IS 'Schemas in which revoke_other leaves alone what the role holds on, or owns of, the objects inside.';
COMMENT ON COLUMN sync_roles.desired_roles.note IS 'Why: a ticket, a reason.';
COMMENT ON COLUMN sync_roles.desired_roles.created_by IS 'Who wrote the row: session_user.';
COMMENT ON COLUMN sync_roles.desired_roles.created_at IS 'When the row was written: now().';

CREATE TABLE sync_roles.writers (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    writer_role  text COLLATE "C" NOT NULL,
    grantee_like text,
    object_type  text COLLATE "C",
    privileges   text[],
    schema_like  text,
    object_like  text,
    grantable    boolean NOT NULL DEFAULT false
);

COMMENT ON TABLE sync_roles.writers IS 'Who, besides the owner of this schema, may see and write which rows of desired_grants. A member of writer_role may touch a row that all columns of one writers row allow; a NULL column allows anything.';
COMMENT ON COLUMN sync_roles.writers.id IS 'Identifies the row.';
COMMENT ON COLUMN sync_roles.writers.writer_role IS 'The role, or a group of which the writer inherits the privileges.';
COMMENT ON COLUMN sync_roles.writers.grantee_like IS 'LIKE pattern for desired_grants.role_name.';
COMMENT ON COLUMN sync_roles.writers.object_type IS 'The one object type allowed.';
COMMENT ON COLUMN sync_roles.writers.privileges IS 'The privileges allowed. OWNER and ALL must be listed by name.';
COMMENT ON COLUMN sync_roles.writers.schema_like IS 'LIKE pattern for schema_name. A row without a schema does not match.';
COMMENT ON COLUMN sync_roles.writers.object_like IS 'LIKE pattern for object_name. Rows whose name_match is not exact need NULL here.';
COMMENT ON COLUMN sync_roles.writers.grantable IS 'Whether rows with grantable true are allowed.';

CREATE TABLE sync_roles.pending (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    role_name    text COLLATE "C",
    queued_at    timestamptz NOT NULL DEFAULT now(),
    requested_by text NOT NULL DEFAULT session_user,
    object_names text[] COLLATE "C",
    transaction  xid8 NOT NULL DEFAULT pg_current_xact_id()
)
-- A queue is mostly dead rows: vacuum by count, not by share.
WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

COMMENT ON TABLE sync_roles.pending IS 'The queue: roles that must be looked at. Written only by triggers, and only inserted into; a pass deletes what it has dealt with.';
COMMENT ON COLUMN sync_roles.pending.id IS 'Order of arrival.';
COMMENT ON COLUMN sync_roles.pending.role_name IS 'The role; NULL: every role.';
COMMENT ON COLUMN sync_roles.pending.queued_at IS 'When the writing transaction began.';
COMMENT ON COLUMN sync_roles.pending.requested_by IS 'session_user of the writer.';
COMMENT ON COLUMN sync_roles.pending.object_names IS 'desired_grants.object_name of the rows, where all that happened is that a few were inserted: only what these ask for must be looked at. NULL: everything.';
COMMENT ON COLUMN sync_roles.pending.transaction IS 'The writing transaction, by which wait_for_sync knows its own.';

CREATE TABLE sync_roles.withdrawn (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    grant_id     bigint NOT NULL,
    role_name    text COLLATE "C" NOT NULL,
    privilege    text COLLATE "C" NOT NULL,
    object_type  text COLLATE "C" NOT NULL,
    schema_name  text COLLATE "C",
    object_name  text COLLATE "C" NOT NULL,
    name_match   text COLLATE "C" NOT NULL,
    column_name  text COLLATE "C",
    direct       boolean,
    grantable    boolean NOT NULL,
    expired      boolean NOT NULL DEFAULT false,
    transaction  xid8 NOT NULL DEFAULT pg_current_xact_id()
)
WITH (autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX withdrawn_role_name ON sync_roles.withdrawn (role_name);

COMMENT ON TABLE sync_roles.withdrawn IS 'Rows of desired_grants that were deleted or changed, as they were, until a pass has taken away what they gave.';
COMMENT ON COLUMN sync_roles.withdrawn.id IS 'Order of arrival.';
COMMENT ON COLUMN sync_roles.withdrawn.grant_id IS 'desired_grants.id';
COMMENT ON COLUMN sync_roles.withdrawn.role_name IS 'desired_grants.role_name';
COMMENT ON COLUMN sync_roles.withdrawn.privilege IS 'desired_grants.privilege';
COMMENT ON COLUMN sync_roles.withdrawn.object_type IS 'desired_grants.object_type';
COMMENT ON COLUMN sync_roles.withdrawn.schema_name IS 'desired_grants.schema_name';
COMMENT ON COLUMN sync_roles.withdrawn.object_name IS 'desired_grants.object_name';
COMMENT ON COLUMN sync_roles.withdrawn.name_match IS 'desired_grants.name_match';
COMMENT ON COLUMN sync_roles.withdrawn.column_name IS 'desired_grants.column_name';
COMMENT ON COLUMN sync_roles.withdrawn.direct IS 'desired_grants.direct';
COMMENT ON COLUMN sync_roles.withdrawn.grantable IS 'desired_grants.grantable';
COMMENT ON COLUMN sync_roles.withdrawn.expired IS 'Its time was over: taking away what it gave is never held.';
COMMENT ON COLUMN sync_roles.withdrawn.transaction IS 'The transaction that deleted or changed it: what one takes away counts as one against --max-revokes.';

CREATE TABLE sync_roles.held (
    role_name text COLLATE "C" PRIMARY KEY,
    revokes   integer NOT NULL,
    digest    text NOT NULL,
    since     timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE sync_roles.held IS 'Roles from which nothing is taken away until a person approves, because it would be more at once than --max-revokes and --max-revokes-percent allow. Putting the rows back clears it.';
COMMENT ON COLUMN sync_roles.held.role_name IS 'The role.';
COMMENT ON COLUMN sync_roles.held.revokes IS 'How much is to be taken away from it, counted as in audit.';
COMMENT ON COLUMN sync_roles.held.digest IS 'SHA-256 of what is to be taken away: an approval is for exactly this.';
COMMENT ON COLUMN sync_roles.held.since IS 'Since when it is held.';

CREATE TABLE sync_roles.approvals (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    role_name   text COLLATE "C",
    note        text,
    digest      text NOT NULL,
    approved_by text NOT NULL,
    approved_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE sync_roles.approvals IS 'What is held may be taken away, once. INSERT a row for a role, or one without a role for all that are held; it goes when it was used, or when there is something else to take away by then.';
COMMENT ON COLUMN sync_roles.approvals.id IS 'Order of arrival.';
COMMENT ON COLUMN sync_roles.approvals.role_name IS 'A role in sync_roles.held; NULL becomes one row for each.';
COMMENT ON COLUMN sync_roles.approvals.note IS 'Why: a ticket, a reason.';
COMMENT ON COLUMN sync_roles.approvals.digest IS 'held.digest at that time.';
COMMENT ON COLUMN sync_roles.approvals.approved_by IS 'session_user of who approved; audit.requested_by has it too.';
COMMENT ON COLUMN sync_roles.approvals.approved_at IS 'When.';

CREATE TABLE sync_roles.resolved_objects (
    class_oid   oid NOT NULL,
    object_oid  oid NOT NULL,
    object_type text COLLATE "C" NOT NULL,
    schema_name text COLLATE "C" NOT NULL,
    object_name text COLLATE "C" NOT NULL,
    PRIMARY KEY (class_oid, object_oid, schema_name, object_name)
);

CREATE INDEX resolved_objects_name ON sync_roles.resolved_objects (object_type, schema_name, object_name);

COMMENT ON TABLE sync_roles.resolved_objects IS 'Which object each name in use last stood for, so that after a rename or a swap nobody keeps a privilege on the object that no longer bears the name.';
COMMENT ON COLUMN sync_roles.resolved_objects.class_oid IS 'OID of the catalog that the object is in.';
COMMENT ON COLUMN sync_roles.resolved_objects.object_oid IS 'OID of the object. It means nothing in another cluster: see installation.';
COMMENT ON COLUMN sync_roles.resolved_objects.object_type IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.resolved_objects.schema_name IS 'The schema at that time; empty for types that live in none.';
COMMENT ON COLUMN sync_roles.resolved_objects.object_name IS 'The name at that time.';

CREATE TABLE sync_roles.intermediate_roles (
    role_name   text COLLATE "C" PRIMARY KEY,
    role_oid    oid NOT NULL,
    privilege   text COLLATE "C" NOT NULL,
    object_type text COLLATE "C" NOT NULL,
    schema_name text COLLATE "C",
    object_name text COLLATE "C" NOT NULL,
    name_match  text COLLATE "C" NOT NULL,
    column_name text COLLATE "C",
    empty_since timestamptz,
    problems    jsonb,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX intermediate_roles_role_oid ON sync_roles.intermediate_roles (role_oid);
CREATE INDEX intermediate_roles_problems ON sync_roles.intermediate_roles (role_oid) WHERE problems IS NOT NULL;
CREATE UNIQUE INDEX intermediate_roles_selector ON sync_roles.intermediate_roles
    (object_type, object_name, privilege, coalesce(schema_name, ''), name_match, coalesce(column_name, ''));

COMMENT ON TABLE sync_roles.intermediate_roles IS 'The registry of intermediate roles: each holds one privilege on what one selector finds, so that the objects'' ACLs stay short. A role is an intermediate role because it is listed here, whatever its name.';
COMMENT ON COLUMN sync_roles.intermediate_roles.role_name IS 'The role''s name, derived from database and selector.';
COMMENT ON COLUMN sync_roles.intermediate_roles.role_oid IS 'The role''s OID.';
COMMENT ON COLUMN sync_roles.intermediate_roles.privilege IS 'The privilege that it holds.';
COMMENT ON COLUMN sync_roles.intermediate_roles.object_type IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.intermediate_roles.schema_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.intermediate_roles.object_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.intermediate_roles.name_match IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.intermediate_roles.column_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.intermediate_roles.empty_since IS 'Since when it holds nothing, because its selector finds no object. It is dropped after --prune-after.';
COMMENT ON COLUMN sync_roles.intermediate_roles.problems IS 'What it should hold and cannot, as in audit: its members lack it too. NULL: it holds all.';
COMMENT ON COLUMN sync_roles.intermediate_roles.created_at IS 'When it was created.';

CREATE TABLE sync_roles.keepers (
    role_oid  oid PRIMARY KEY,
    role_name text COLLATE "C" NOT NULL UNIQUE
);

COMMENT ON TABLE sync_roles.keepers IS 'Roles that hold ADMIN on intermediate roles, and as which their memberships are written; and one, with CREATEROLE, that holds it on _pgsr_lock, as which that is locked. Since PostgreSQL 16 what takes ADMIN costs time for every role that the acting role has it on, and the daemon has it on all that it created.';
COMMENT ON COLUMN sync_roles.keepers.role_oid IS 'The role.';
COMMENT ON COLUMN sync_roles.keepers.role_name IS 'Its name.';

CREATE TABLE sync_roles.applied_passwords (
    role_oid    oid PRIMARY KEY,
    fingerprint text NOT NULL
);

COMMENT ON TABLE sync_roles.applied_passwords IS 'Which verifier was last given to which role. PostgreSQL shows passwords to superusers only, so this is how a change is found; a password changed by other means is not.';
COMMENT ON COLUMN sync_roles.applied_passwords.role_oid IS 'The role. A role that was dropped and created again has another OID, and gets its password again.';
COMMENT ON COLUMN sync_roles.applied_passwords.fingerprint IS 'SHA-256 of the verifier.';

CREATE TABLE sync_roles.audit (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    role_name    text COLLATE "C",
    cause        text NOT NULL CHECK (cause IN ('notify', 'rescan', 'startup', 'retry', 'expiry', 'ddl', 'manual')),
    outcome      text NOT NULL CHECK (outcome IN ('applied', 'unchanged', 'waiting', 'refused', 'blocked', 'failed', 'held')),
    granted      integer NOT NULL DEFAULT 0,
    revoked      integer NOT NULL DEFAULT 0,
    statements   text[] NOT NULL DEFAULT '{}',
    problems     jsonb NOT NULL DEFAULT '[]',
    sqlstate     text,
    error        text,
    requested_by text[] NOT NULL DEFAULT '{}',
    attempt      integer NOT NULL DEFAULT 1,
    duration     interval NOT NULL,
    instance     text NOT NULL,
    pass         xid8 NOT NULL DEFAULT pg_current_xact_id()
);

CREATE INDEX audit_role_name ON sync_roles.audit (role_name, id DESC);
CREATE INDEX audit_at ON sync_roles.audit USING brin (at);

COMMENT ON TABLE sync_roles.audit IS 'What happened. A change''s row commits in the same transaction as the change; a failure''s row in its own.';
COMMENT ON COLUMN sync_roles.audit.id IS 'Order of writing.';
COMMENT ON COLUMN sync_roles.audit.at IS 'When the row was written.';
COMMENT ON COLUMN sync_roles.audit.role_name IS 'The role; for what an intermediate role itself was given, its name. NULL: a pass that failed before it came to any role.';
COMMENT ON COLUMN sync_roles.audit.cause IS 'Why the role was looked at: notify, rescan, startup, retry, expiry, ddl or manual.';
COMMENT ON COLUMN sync_roles.audit.outcome IS 'applied, unchanged, waiting, refused, blocked, failed or held.';
COMMENT ON COLUMN sync_roles.audit.granted IS 'How much was given: one for each privilege on an object, membership, ownership or attribute.';
COMMENT ON COLUMN sync_roles.audit.revoked IS 'How much was taken away, counted as in granted.';
COMMENT ON COLUMN sync_roles.audit.statements IS 'The SQL as run, secrets redacted. A statement that named many grantees is shown here for this role alone.';
COMMENT ON COLUMN sync_roles.audit.problems IS 'What could not be done: an array of objects with kind, reason, and where they apply grant_id, privilege, object and fix.';
COMMENT ON COLUMN sync_roles.audit.sqlstate IS 'PostgreSQL''s error code, for failed.';
COMMENT ON COLUMN sync_roles.audit.error IS 'The error, for failed.';
COMMENT ON COLUMN sync_roles.audit.requested_by IS 'Who wrote the rows that this pass acted on.';
COMMENT ON COLUMN sync_roles.audit.attempt IS 'How many times in a row this role was tried, this one included.';
COMMENT ON COLUMN sync_roles.audit.duration IS 'How long the pass took, from its begin to this row. A pass often serves many roles.';
COMMENT ON COLUMN sync_roles.audit.instance IS 'Which daemon or command did it: host and process.';
COMMENT ON COLUMN sync_roles.audit.pass IS 'The pass, which is a transaction: its ID, which the daemon''s log lines carry too.';

CREATE TABLE sync_roles.rescans (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    roles    integer NOT NULL,
    drifted  integer NOT NULL,
    duration interval NOT NULL,
    instance text NOT NULL
);

COMMENT ON TABLE sync_roles.rescans IS 'One row for each time that all roles were looked at.';
COMMENT ON COLUMN sync_roles.rescans.id IS 'Order of writing.';
COMMENT ON COLUMN sync_roles.rescans.at IS 'When the rescan ended.';
COMMENT ON COLUMN sync_roles.rescans.roles IS 'How many roles were managed.';
COMMENT ON COLUMN sync_roles.rescans.drifted IS 'How many of them were not as desired.';
COMMENT ON COLUMN sync_roles.rescans.duration IS 'How long it took.';
COMMENT ON COLUMN sync_roles.rescans.instance IS 'Which daemon or command did it.';

CREATE TABLE sync_roles.retries (
    role_name     text COLLATE "C" PRIMARY KEY,
    attempt       integer NOT NULL,
    next_retry_at timestamptz NOT NULL
);

COMMENT ON TABLE sync_roles.retries IS 'Roles whose last pass failed and will be tried again. Forgotten on success.';
COMMENT ON COLUMN sync_roles.retries.role_name IS 'The role.';
COMMENT ON COLUMN sync_roles.retries.attempt IS 'How many attempts failed in a row.';
COMMENT ON COLUMN sync_roles.retries.next_retry_at IS 'Not before this time.';

CREATE TABLE sync_roles.installation (
    singleton         boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    schema_version    integer NOT NULL,
    server_version    integer NOT NULL,
    system_identifier bigint NOT NULL,
    database_oid      oid NOT NULL
);

COMMENT ON TABLE sync_roles.installation IS 'Where this schema was installed. The OIDs that resolved_objects, intermediate_roles and applied_passwords remember mean something only there, and not after a restore into another cluster or database.';
COMMENT ON COLUMN sync_roles.installation.singleton IS 'There is one row.';
COMMENT ON COLUMN sync_roles.installation.schema_version IS 'The newest migration whose SQL has been committed. Each migration sets it in its own transaction, which golang-migrate''s version table cannot.';
COMMENT ON COLUMN sync_roles.installation.server_version IS 'The major version of PostgreSQL for which the views over its catalogs were made.';
COMMENT ON COLUMN sync_roles.installation.system_identifier IS 'pg_control_system().system_identifier';
COMMENT ON COLUMN sync_roles.installation.database_oid IS 'pg_database.oid of this database.';

COMMENT ON TABLE sync_roles.schema_migrations IS 'golang-migrate''s record of the installed version; installation.schema_version is what counts.';
COMMENT ON COLUMN sync_roles.schema_migrations.version IS 'The newest migration that was begun.';
COMMENT ON COLUMN sync_roles.schema_migrations.dirty IS 'It has not been reported as done. The installer clears this by itself.';

INSERT INTO sync_roles.installation (schema_version, server_version, system_identifier, database_oid)
SELECT 1, 0, s.system_identifier, d.oid
FROM pg_catalog.pg_control_system() AS s, pg_catalog.pg_database AS d
WHERE d.datname = pg_catalog.current_database();
