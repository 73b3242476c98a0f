package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/failure"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/inspect"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// lockedTx is a pass's transaction.
type lockedTx struct {
	pgx.Tx
	id     string        // as in audit.pass
	waited time.Duration // for the lock
}

// beginLocked begins a transaction and takes the lock. When the keeper of the lock is of no more use, because it was altered or dropped, the daemon
// locks as itself.
//
// Within it, a lock on an object is waited for no longer than lockWait, and a statement that reads takes no longer than reading.
func (e *Engine) beginLocked(ctx context.Context, lockWait, reading time.Duration) (lockedTx, error) {
	for {
		started := time.Now()
		tx, err := e.conn.Begin(ctx)
		if err != nil {
			return lockedTx{}, fmt.Errorf("begin: %w", err)
		}
		id, err := e.lock(ctx, tx, lockWait, reading)
		if err == nil {
			return lockedTx{tx, id, time.Since(started)}, nil
		}
		_ = tx.Rollback(context.WithoutCancel(ctx))
		if errors.Is(err, errTablesLocked) {
			return lockedTx{}, &lockError{e.tablesLocked(ctx, err)}
		}
		if e.lockKeeper == "" || failure.SQLState(err) != "42501" && failure.SQLState(err) != "22023" {
			return lockedTx{}, &lockError{err}
		}
		e.log.Warn().Str("role", e.lockKeeper).Err(err).Msg("cannot lock as this role, and so locks as itself, which takes longer; pg-sync-roles migrate puts it right")
		e.lockKeeper = ""
	}
}

// lock takes what makes passes follow one another (invariant 2): an advisory lock, if asked for, then ours. COMMENT ON ROLE locks the role
// (a shared object, so cluster-wide) against itself until the transaction ends, and a NULL comment leaves no row.
// The advisory lock comes first: whoever holds it must not make us hold the real one. It returns the transaction's ID, by the same message.
//
// Writers of rows can lock the tables that a pass reads. While it holds the lock, for which all databases wait, it does not wait for theirs.
func (e *Engine) lock(ctx context.Context, tx pgx.Tx, lockWait, reading time.Duration) (id string, err error) {
	if key := e.policy.AdvisoryLockKey; key != nil {
		if _, err := tx.Exec(ctx, "select pg_catalog.pg_advisory_xact_lock($1)", *key); err != nil {
			return "", fmt.Errorf("wait for advisory lock %d (--advisory-lock-key): %w", *key, err)
		}
	}
	sql := "comment on role _pgsr_lock is null"
	before := 1 // statements, up to the lock
	if e.server.Citus {
		// Only daemons of this database, and of others on this server, take turns: a node that is down must not keep them from it.
		sql = "set local " + catalog.CitusPropagation + " = off; " + sql + "; set local " + catalog.CitusPropagation + " = on"
		before = 3
	}
	if e.lockKeeper != "" {
		sql = "set local role " + catalog.Quote(e.lockKeeper) + "; " + sql + "; reset role"
		before = 3
	}
	results, err := tx.Conn().PgConn().Exec(ctx, sql+"; "+lockTables+"; set local lock_timeout = "+milliseconds(lockWait)+
		"; set local statement_timeout = "+milliseconds(reading)+"; select sync_roles.mark_pass(); select pg_current_xact_id()").ReadAll()
	if failure.SQLState(err) == "55P03" && len(results) >= before {
		return "", fmt.Errorf("%w: %w", errTablesLocked, err)
	}
	if err != nil && len(results) >= before {
		return "", fmt.Errorf("begin a pass: %w", err)
	}
	switch failure.SQLState(err) {
	case "":
		if err != nil {
			return "", fmt.Errorf("lock role _pgsr_lock: %w", err)
		}
		return string(results[len(results)-1].Rows[0][0]), nil
	case "42501":
		return "", fmt.Errorf("lock role _pgsr_lock (as a superuser, or as whoever installed sync_roles in another database of this cluster, run: %s): %w", plan.AdminFix("_pgsr_lock", e.server), err)
	case "42704":
		return "", fmt.Errorf("lock role _pgsr_lock (run pg-sync-roles migrate, which creates it): %w", err)
	case "25006":
		return "", fmt.Errorf("lock role _pgsr_lock (something makes this role's transactions read-only, see default_transaction_read_only): %w", err)
	case "55P03", "57014":
		return "", fmt.Errorf("wait for the lock on role _pgsr_lock, which another pass holds: %w", err)
	default:
		return "", fmt.Errorf("lock role _pgsr_lock: %w", err)
	}
}

const lockTables = "lock table sync_roles.desired_grants, sync_roles.desired_roles, sync_roles.approvals in access share mode nowait"

// errTablesLocked is that another session has locked a table that passes read.
var errTablesLocked = errors.New("read the desired rows, which another session has locked")

// tablesLocked says who holds the locks.
func (e *Engine) tablesLocked(ctx context.Context, err error) error {
	holders, problem := inspect.LockHolders(ctx, e.conn)
	if problem != nil || len(holders) == 0 {
		return err
	}
	return fmt.Errorf("%w (%s)", err, strings.Join(holders, ", "))
}

// findLockKeeper looks for the keeper of the lock, as which it is had in the same time however many roles the daemon has ADMIN on.
func (e *Engine) findLockKeeper(ctx context.Context) error {
	e.lockKeeper = ""
	if !plan.UsesKeepers(e.server) {
		return nil
	}
	err := e.conn.QueryRow(ctx, `
		select r.rolname
		from sync_roles.keepers as k
		join pg_catalog.pg_roles as r on r.oid = k.role_oid and r.rolcreaterole
		join pg_catalog.pg_roles as l on l.rolname = '_pgsr_lock'
		where k.locks and pg_has_role(r.oid, 'SET') and pg_has_role(r.oid, l.oid, 'MEMBER WITH ADMIN OPTION')`).Scan(&e.lockKeeper)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("look for the keeper of role _pgsr_lock: %w", err)
	}
	return nil
}
