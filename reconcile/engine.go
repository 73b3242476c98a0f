package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/migrations"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/chain"
)

// Config is what an engine needs besides a policy.
type Config struct {
	Policy           Policy
	LockTimeout      time.Duration // for every lock; default 5 s
	StatementTimeout time.Duration // for every statement; default 60 s
	Log              zerolog.Logger
	Observe          func(Observation) // told of every pass; may be nil
}

// Engine looks at roles, and makes them hold what is desired. It has one connection, and is used by one goroutine.
type Engine struct {
	conn     *pgx.Conn
	server   catalog.Server
	policy   Policy
	log      zerolog.Logger
	observe  func(Observation)
	instance string

	relations        []relation
	place            string // where the schema was installed, as the registry's OIDs are of there
	lockTimeout      time.Duration
	statementTimeout time.Duration
	locker           string // the role as which to lock; empty: the connected one

	lockMissed   bool       // the last pass did not get the lock, and the audit says so
	tablesMissed bool       // the desired rows could not be read, and the audit says so
	head         chain.Head // of the audit's chain, when this engine wrote last
	refusals     refusals   // what PostgreSQL refused, and is not asked for again by each rescan

	deadSince map[string]time.Time // databases that are no more, by OID
	marks     []transactionMark    // see readUnsettled; in order

	renamedSince map[renamedObject]time.Time // what all roles were looked at for, and is not forgotten yet

	// OnPass is called during Sync with how many roles were looked at, of how many. It may be nil.
	OnPass func(done, total int)
}

// Open connects an engine, and checks what it needs: the schema, its version, and the rights of the connected role.
func Open(ctx context.Context, connConfig *pgx.ConnConfig, config Config) (*Engine, error) {
	connConfig = connConfig.Copy()
	params := connConfig.RuntimeParams
	params["application_name"] = "pg-sync-roles"
	config.LockTimeout = cmp.Or(config.LockTimeout, 5*time.Second)
	params["lock_timeout"] = milliseconds(config.LockTimeout)
	config.StatementTimeout = cmp.Or(config.StatementTimeout, time.Minute)
	params["statement_timeout"] = milliseconds(config.StatementTimeout)
	params["client_min_messages"] = "warning"
	params["row_security"] = "off" // an error instead of rows that are missing: see relations.go
	// The same few statements, over and over: planning them costs more than running them, and compiling them more still.
	params["plan_cache_mode"] = "force_generic_plan"
	params["jit"] = "off"
	// Everything is reached by index. Catalogs are seldom analyzed, and without statistics the planner takes them for small.
	params["enable_seqscan"] = "off"
	// Large batches are joined and grouped by several texts, which are much quicker to hash than to sort.
	params["enable_mergejoin"] = "off"
	params["enable_sort"] = "off"
	params["work_mem"] = "64MB"
	params["max_parallel_workers_per_gather"] = "0"

	conn, err := catalog.Connect(ctx, connConfig)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	e := &Engine{conn: conn, policy: config.Policy, log: config.Log, observe: config.Observe, lockTimeout: config.LockTimeout, statementTimeout: config.StatementTimeout, instance: fmt.Sprintf("%s:%d", host, os.Getpid())}
	if err := e.check(ctx); err != nil {
		_ = e.Close(ctx)
		return nil, err
	}
	return e, nil
}

func milliseconds(d time.Duration) string {
	return strconv.FormatInt(d.Milliseconds(), 10)
}

// Close ends the connection.
func (e *Engine) Close(ctx context.Context) error { return catalog.Close(ctx, e.conn) }

// Ping asks the server for a sign of life.
func (e *Engine) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return e.conn.Ping(ctx)
}

// ErrSchema is that the schema is missing, or of an older version: migrations.Up is needed.
var ErrSchema = errors.New("schema sync_roles is missing or old")

// schemaError is an ErrSchema in words.
type schemaError string

func (e schemaError) Error() string   { return string(e) }
func (e schemaError) Is(t error) bool { return t == ErrSchema }

// ErrStandby is of the moment: a standby can become the primary.
var ErrStandby = errors.New("the server is a standby, to which nothing can be written: connect to the primary, or name all hosts")

// check finds out before the first pass what would make every pass fail, or worse.
func (e *Engine) check(ctx context.Context) error {
	var err error
	if e.server, err = catalog.ReadServer(ctx, e.conn); err != nil {
		return err
	}
	s := e.server
	if s.Version < 14 {
		return fmt.Errorf("the server is PostgreSQL %d: 14 or later is needed", s.Version)
	}
	var installed, standby, owner, createRole bool
	err = e.conn.QueryRow(ctx, `
		select
			n.oid is not null and to_regclass('sync_roles.installation') is not null,
			pg_is_in_recovery(),
			coalesce(pg_has_role(n.nspowner, 'USAGE'), false),
			r.rolsuper or r.rolcreaterole
		from pg_catalog.pg_roles as r
		left join pg_catalog.pg_namespace as n on n.nspname = 'sync_roles'
		where r.rolname = current_user`).Scan(&installed, &standby, &owner, &createRole)
	switch {
	case err != nil:
		return fmt.Errorf("look for schema sync_roles: %w", err)
	case standby:
		return ErrStandby
	case !installed:
		return schemaError(fmt.Sprintf("database %q has no schema sync_roles: run pg-sync-roles migrate", s.Database))
	case !owner:
		return fmt.Errorf("schema sync_roles in database %q belongs to another role: connect as its owner, or as a member of it", s.Database)
	case !createRole:
		return fmt.Errorf("role %q lacks CREATEROLE; as a superuser run: %s", s.Role, attributeFix(s.Role, "CREATEROLE"))
	case !s.Superuser && !s.Inherit && !s.MembershipOptions():
		return fmt.Errorf("role %q is NOINHERIT, and so cannot grant on what others own; as a superuser run: %s", s.Role, attributeFix(s.Role, "INHERIT"))
	}
	if err := e.checkVersion(ctx); err != nil {
		return err
	}
	if err := migrations.CheckContents(ctx, e.conn); err != nil {
		return err
	}
	if e.relations, err = readRelations(ctx, e.conn, s.Role); err != nil {
		return err
	}
	if err := e.warnOfLostAdmin(ctx); err != nil {
		if e.lost(ctx, err) {
			return err
		}
		e.log.Warn().Err(err).Msg("cannot tell whether the daemon has the ADMIN option on the roles that it made") // it only informs
	}
	return e.findLocker(ctx)
}

func (e *Engine) checkVersion(ctx context.Context) error {
	var version, server int
	var here bool
	err := e.conn.QueryRow(ctx, `
		select i.schema_version, i.server_version, i.system_identifier || '/' || i.database_oid, i.system_identifier = s.system_identifier and i.database_oid = $1
		from sync_roles.installation as i, pg_catalog.pg_control_system() as s`, e.server.DatabaseOID).Scan(&version, &server, &e.place, &here)
	if err != nil {
		return fmt.Errorf("read the version of schema sync_roles: %w", err)
	}
	switch latest := migrations.Latest(); {
	case version > latest:
		return fmt.Errorf("schema sync_roles has version %d, which is newer than this program's %d: install a newer pg-sync-roles", version, latest)
	case !here:
		return elsewhereError(e.server.Database)
	case version < latest || server != e.server.Version:
		return schemaError(fmt.Sprintf("schema sync_roles has version %d for PostgreSQL %d, and this program needs %d for %d: run pg-sync-roles migrate", version, server, latest, e.server.Version))
	}
	return nil
}

// errElsewhere is that what the schema knows by OID is of another cluster or database.
var errElsewhere = errors.New("of another cluster or database")

// elsewhere is an errElsewhere in words; it is an ErrSchema too, because migrations.Up puts it right.
type elsewhere string

func (e elsewhere) Error() string   { return string(e) }
func (e elsewhere) Is(t error) bool { return t == errElsewhere || t == ErrSchema }

func elsewhereError(database string) error {
	return elsewhere(fmt.Sprintf("schema sync_roles in database %q was restored or copied from elsewhere, and the OIDs that it knows are of other roles here: run pg-sync-roles migrate", database))
}

// readyWait is for how long Ready waits for the lock. Whoever has it has nothing to do with our right to it.
const readyWait = 100 * time.Millisecond

// Ready takes the lock and releases it: a daemon without the right to it should say so when it starts.
func (e *Engine) Ready(ctx context.Context) error {
	if _, err := e.conn.Exec(ctx, "set lock_timeout = "+milliseconds(min(readyWait, e.lockTimeout))); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	tx, err := e.beginLocked(ctx, e.lockTimeout, e.statementTimeout)
	if err == nil {
		err = tx.Rollback(ctx)
	}
	if SQLState(err) == "55P03" {
		err = nil
	}
	if err != nil {
		return err
	}
	if _, err := e.conn.Exec(ctx, "set lock_timeout = "+milliseconds(e.lockTimeout)); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	return nil
}
