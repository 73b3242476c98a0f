package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/chain"
)

var retentionSQL = query("retention")

const rescansRetentionSQL = `
	delete from sync_roles.rescans
	where id in (select r.id from sync_roles.rescans as r where r.at < now() - $1::interval order by r.id limit $2)`

// A claim that is locked is of a row that is being written.
const claimsRetentionSQL = `
	delete from sync_roles.ownership_claims
	where (object_type, object_name, schema_name) in (
		select c.object_type, c.object_name, c.schema_name
		from sync_roles.ownership_claims as c
		where not exists (
			select from sync_roles.desired_grants as g
			where g.privilege = 'OWNER' and g.object_type = c.object_type and g.object_name = c.object_name and coalesce(g.schema_name, '') = c.schema_name)
		limit $1
		for update skip locked)`

// Rows are deleted so many in a transaction, and so many transactions in a call, so that nobody waits for it.
const (
	retentionStep  = 1000
	retentionSteps = 10
)

// Retain deletes what the audit and the rescans have that is older than that, and of no use for how roles are. It reports whether there may be
// more.
func (e *Engine) Retain(ctx context.Context, keep time.Duration) (more bool, err error) {
	for range retentionSteps {
		if more, err = e.retain(ctx, keep); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

func (e *Engine) retain(ctx context.Context, keep time.Duration) (more bool, err error) {
	err = pgx.BeginFunc(ctx, e.conn, func(tx pgx.Tx) error {
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
		rows, err := tx.Query(ctx, retentionSQL, keep, retentionStep)
		if err != nil {
			return err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return err
		}
		more = len(ids) == retentionStep || tag.RowsAffected() == retentionStep
		if len(ids) == 0 {
			return nil
		}
		return e.remove(ctx, tx, ids, keep)
	})
	if err != nil {
		return false, e.passing(ctx, fmt.Errorf("delete what the audit has kept for more than %s: %w", keep, err))
	}
	return more, nil
}

// remove deletes rows of the audit, and records that in their place.
func (e *Engine) remove(ctx context.Context, tx pgx.Tx, ids []int64, keep time.Duration) error {
	batch := &pgx.Batch{}
	w := chain.Open(batch, e.lockTimeout, 0, nil)
	removal := chain.Remove(batch, ids, keep)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	batch = &pgx.Batch{}
	w.Remove(batch, removal, e.instance)
	w.Close(batch)
	return tx.SendBatch(ctx, batch).Close()
}
