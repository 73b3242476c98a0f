package reconcile

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/apply"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

// handsKnownSQL asks whether event triggers record changes by hand.
const handsKnownSQL = "select exists (select from pg_catalog.pg_event_trigger where evtname = 'sync_roles_hand')"

// nameHands says in rows which changes by hand they undo: those before the rescan, or else those that were made while it ran.
func (e *Engine) nameHands(ctx context.Context, tx pgx.Tx, rows []audit.Row) error {
	if named := audit.NameHands(rows, e.handChanges); named || !e.handsKnown {
		return nil
	}
	list, err := audit.HandChanges(ctx, tx)
	if err != nil {
		return err
	}
	audit.NameHands(rows, list)
	return nil
}

// observeAccess records what others have changed since history was last written, before passes undo it. It reports whether it could: access waits for no
// history.
func (e *Engine) observeAccess(ctx context.Context, cause audit.Cause) (done bool, err error) {
	err = pgx.BeginFunc(ctx, e.conn, func(tx pgx.Tx) error {
		limits := fmt.Sprintf("set local lock_timeout = %s; set local statement_timeout = %s", milliseconds(apply.ShortLockWait), milliseconds(e.statementTimeout))
		if _, err := tx.Exec(ctx, limits, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
		if e.handChanges, err = audit.HandChanges(ctx, tx); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, handsKnownSQL).Scan(&e.handsKnown); err != nil {
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
