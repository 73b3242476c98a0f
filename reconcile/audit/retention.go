package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit/chain"
)

var (
	retentionSQL        = query("retention")
	rescansRetentionSQL = query("retention_rescans")
	claimsRetentionSQL  = query("retention_claims")
)

// Rows are deleted so many in a transaction, and so many transactions in a call, so that no other session waits for it long.
const (
	retentionStep  = 1000
	retentionSteps = 10
)

// Retain deletes rows of audit and rescans that are older than keep, except the last audit row of each managed or intermediate role. It reports whether there may be more.
func (w Writer) Retain(ctx context.Context, conn *pgx.Conn, keep time.Duration, instance string) (more bool, err error) {
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
		ids, err := catalog.Column[int64](ctx, tx, retentionSQL, keep, retentionStep)
		if err != nil {
			return err
		}
		more = len(ids) == retentionStep || tag.RowsAffected() == retentionStep
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
