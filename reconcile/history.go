package reconcile

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/apply"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

// observeAccess records what others have changed since history was last written, before passes undo it. It reports whether it could: access waits for no
// history.
func (e *Engine) observeAccess(ctx context.Context, cause audit.Cause) (done bool, err error) {
	err = pgx.BeginFunc(ctx, e.conn, func(tx pgx.Tx) error {
		limits := fmt.Sprintf("set local lock_timeout = %s; set local statement_timeout = %s", milliseconds(apply.ShortLockWait), milliseconds(e.statementTimeout))
		if _, err := tx.Exec(ctx, limits, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
		e.handChanges, err = audit.HandChanges(ctx, tx)
		if err != nil {
			return err
		}
		return audit.Observe(ctx, tx, cause)
	})
	switch {
	case err == nil:
		return true, nil
	case e.lost(ctx, err):
		return false, err
	}
	e.log.Warn().Err(err).Msg("cannot record what roles hold; trying again at the next rescan")
	return false, nil
}
