package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/failure"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit/chain"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/inspect"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// Config is the configuration of an engine.
type Config struct {
	Policy           plan.Policy
	LockTimeout      time.Duration // for every lock; default 5 s
	StatementTimeout time.Duration // for every statement; default 60 s
	Log              zerolog.Logger
	Observe          func(Observation) // told of every pass; may be nil
}

// Engine inspects roles, and makes them hold what is desired. It has one connection, and is used by one goroutine.
type Engine struct {
	conn     *pgx.Conn
	server   catalog.Server
	policy   plan.Policy
	log      zerolog.Logger
	observe  func(Observation)
	instance string

	relations        []inspect.Relation
	place            string // the cluster and database in which the schema was installed: the registry's OIDs are of there
	lockTimeout      time.Duration
	statementTimeout time.Duration
	lockKeeper       string // the role as which to lock; empty: the connected one

	lockMissed   bool               // the last pass did not get the lock, and the audit says so
	tablesMissed bool               // the desired rows could not be read, and the audit says so
	head         chain.Head         // of the audit's chain, when this engine wrote last
	handsKnown   bool               // event triggers record changes by hand
	handChanges  []audit.HandChange // by the last rescan: what others have done since the one before
	rejections   rejections         // what PostgreSQL refused is not sent again by each rescan

	portion portion
	total   total
	atOnce  int     // roles that an inspection without the lock takes, where a batch was too slow; otherwise 0
	settled settled // the last rescan, if it found all roles as desired

	contentsChecked time.Time // when the schema was last found to have nothing of others in it

	deadSince map[string]time.Time // when databases were first found dropped, by OID
	clock     transactionClock

	stuckOnNodes map[inspect.NodePrivilege]bool // what other nodes of Citus have too much, and was told

	renamedSince map[inspect.RenamedObject]time.Time // when renames were first found that are not forgotten yet

	// OnPass is called during Sync with how many roles were inspected, of how many. It may be nil.
	OnPass func(done, total int)
}

// Open connects an engine, and checks what it needs: the schema, its version, and the rights of the connected role.
func Open(ctx context.Context, connConfig *pgx.ConnConfig, config Config) (*Engine, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	e := &Engine{
		policy: config.Policy, log: config.Log, observe: config.Observe,
		lockTimeout: cmp.Or(config.LockTimeout, 5*time.Second), statementTimeout: cmp.Or(config.StatementTimeout, time.Minute),
		instance: fmt.Sprintf("%s:%d", host, os.Getpid()),
	}
	if err := e.Resume(ctx, connConfig); err != nil {
		return nil, err
	}
	if err := e.warnOfLostAdmin(ctx); err != nil {
		if e.lost(ctx, err) {
			_ = e.Close(ctx)
			return nil, err
		}
		e.log.Warn().Err(err).Msg("cannot tell whether the daemon has the ADMIN option on the roles that it made") // it only informs
	}
	return e, nil
}

// Resume connects an engine whose connection was closed. It keeps what it has learnt, and checks again what it needs.
func (e *Engine) Resume(ctx context.Context, connConfig *pgx.ConnConfig) error {
	conn, err := catalog.Connect(ctx, e.configured(connConfig))
	if err != nil {
		return err
	}
	e.conn = conn
	if err := e.check(ctx); err != nil {
		_ = e.Close(ctx)
		return err
	}
	return nil
}

// configured is a connection's configuration with the settings of a session that reconciles.
func (e *Engine) configured(connConfig *pgx.ConnConfig) *pgx.ConnConfig {
	connConfig = connConfig.Copy()
	params := connConfig.RuntimeParams
	params["application_name"] = "pg-sync-roles"
	params["lock_timeout"] = milliseconds(e.lockTimeout)
	params["statement_timeout"] = milliseconds(e.statementTimeout)
	params["client_min_messages"] = "warning"
	params["row_security"] = "off" // an error instead of rows that are missing: see inspect/relation.go
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
	return connConfig
}

// milliseconds is a duration as a setting of PostgreSQL.
func milliseconds(d time.Duration) string {
	return strconv.FormatInt(d.Milliseconds(), 10)
}

// Close ends the connection. Resume opens another.
func (e *Engine) Close(ctx context.Context) error { return catalog.Close(ctx, e.conn) }

// Ping asks the server for a sign of life.
func (e *Engine) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return e.conn.Ping(ctx)
}

// lost reports whether nothing more can be done over this connection.
func (e *Engine) lost(ctx context.Context, err error) bool {
	return ctx.Err() != nil || e.conn.IsClosed() || failure.Of(err) == failure.Disconnected
}

// SetPolicy replaces the policy that the engine was opened with.
func (e *Engine) SetPolicy(policy plan.Policy) { e.policy = policy }

// writer writes to the audit.
func (e *Engine) writer() audit.Writer { return audit.Writer{LockTimeout: e.lockTimeout} }
