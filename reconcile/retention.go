package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

var retentionSQL = query("retention")

const rescansRetentionSQL = `
	delete from sync_roles.rescans
	where id in (select r.id from sync_roles.rescans as r where r.at < now() - $1::interval order by r.id limit $2)`

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
		// The triggers that keep the audit append-only ask for this.
		if _, err := tx.Exec(ctx, "set local sync_roles.retention = on"); err != nil {
			return err
		}
		for _, sql := range []string{retentionSQL, rescansRetentionSQL} {
			tag, err := tx.Exec(ctx, sql, keep, retentionStep)
			if err != nil {
				return err
			}
			more = more || tag.RowsAffected() == retentionStep
		}
		return nil
	})
	if err != nil {
		return false, e.passing(ctx, fmt.Errorf("delete what the audit has kept for more than %s: %w", keep, err))
	}
	return more, nil
}
