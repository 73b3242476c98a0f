package audit

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit/chain"
)

var (
	retentionSQL        = query("retention")
	rescansRetentionSQL = query("retention_rescans")
	claimsRetentionSQL  = query("retention_claims")

	versionsRetentionSQL   = query("retention_versions")
	violationsRetentionSQL = query("retention_violations")
	writersRetentionSQL    = query("retention_writers")
)

const (
	accessRetentionSQL = "select sync_roles.forget_access($1)"
	handRetentionSQL   = "delete from sync_roles_hand.changes where at < now() - $1::interval"
	// handTableSQL asks whether event triggers record changes by hand, in a table from which the daemon may delete.
	handTableSQL = `
		select exists (
			select
			from pg_catalog.pg_class as c
			join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and n.nspname = 'sync_roles_hand'
			join pg_catalog.pg_event_trigger as e on e.evtname = 'sync_roles_hand' and e.evtowner = c.relowner
			where c.relname = 'changes' and c.relkind = 'r' and c.relowner = n.nspowner and has_table_privilege(c.oid, 'DELETE')
		)`
)

// Rows are deleted so many in a transaction, and so many transactions in a call, so that no other session waits for it long.
const (
	retentionStep  = 1000
	retentionSteps = 10
)

// Retain deletes rows of audit, rescans, history and violations that are older than keep, except the last audit row of each managed or intermediate role. It reports whether there may be more.
func (w Writer) Retain(ctx context.Context, conn *pgx.Conn, keep time.Duration, instance string) (more bool, err error) {
	if err := retainHistory(ctx, conn, keep); err != nil {
		return false, err
	}
	for range retentionSteps {
		if more, err = w.retain(ctx, conn, keep, instance); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

func (w Writer) retain(ctx context.Context, conn *pgx.Conn, keep time.Duration, instance string) (more bool, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		// The triggers that keep these tables append-only ask for this.
		if _, err := tx.Exec(ctx, "set local sync_roles.retention = on"); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, rescansRetentionSQL, keep, retentionStep)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, claimsRetentionSQL, retentionStep); err != nil {
			return err
		}
		versions, err := tx.Exec(ctx, versionsRetentionSQL, keep, retentionStep)
		if err != nil {
			return err
		}
		violations, err := tx.Exec(ctx, violationsRetentionSQL, keep, retentionStep)
		if err != nil {
			return err
		}
		ids, err := catalog.Column[int64](ctx, tx, retentionSQL, keep, retentionStep)
		if err != nil {
			return err
		}
		more = slices.Contains([]int64{int64(len(ids)), tag.RowsAffected(), versions.RowsAffected(), violations.RowsAffected()}, retentionStep)
		if len(ids) == 0 {
			return nil
		}
		return w.remove(ctx, tx, ids, keep, instance)
	})
	if err != nil {
		return false, fmt.Errorf("delete what the audit has kept for more than %s: %w", keep, err)
	}
	return more, nil
}

// remove deletes rows of the audit, and records that in their place.
func (w Writer) remove(ctx context.Context, tx pgx.Tx, ids []int64, keep time.Duration, instance string) error {
	batch := &pgx.Batch{}
	c := chain.Open(batch, w.LockTimeout, 0, nil)
	removal := chain.Remove(batch, ids, keep)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	batch = &pgx.Batch{}
	c.Remove(batch, removal, instance)
	c.Close(batch, EventChannel, nil)
	return tx.SendBatch(ctx, batch).Close()
}

// retainHistory deletes what history has of access that ended so long ago, and of changes by hand.
func retainHistory(ctx context.Context, conn *pgx.Conn, keep time.Duration) error {
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local sync_roles.retention = on"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, accessRetentionSQL, keep); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, writersRetentionSQL, keep, retentionStep); err != nil {
			return err
		}
		var recorded bool
		if err := tx.QueryRow(ctx, handTableSQL).Scan(&recorded); err != nil || !recorded {
			return err
		}
		_, err := tx.Exec(ctx, handRetentionSQL, keep)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete history that was kept for more than %s: %w", keep, err)
	}
	return nil
}
