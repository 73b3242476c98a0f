package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// askAgainAfter is when PostgreSQL is asked again for what it refused, although nothing is known to have changed: the reason may be one that
// daemon_rights.sql does not see.
const askAgainAfter = time.Hour

var daemonRightsSQL = query("daemon_rights")

// refusals is the memory that keeps rescans from sending again what PostgreSQL refused: each time would fill its log with the same errors.
type refusals struct {
	rights string    // of the daemon when PostgreSQL was last asked for everything
	asked  time.Time // when that was
	again  *bool     // what this rescan found out; nil: it has not looked
	found  string    // the rights then
}

// askAgain reports whether a rescan should send what PostgreSQL refused before: the daemon has other rights, or it is long ago. A rescan finds
// that out once, and only where something was refused.
func (e *Engine) askAgain(ctx context.Context, tx pgx.Tx) (bool, error) {
	if e.refusals.again != nil {
		return *e.refusals.again, nil
	}
	if err := tx.QueryRow(ctx, daemonRightsSQL).Scan(&e.refusals.found); err != nil {
		return false, fmt.Errorf("read the rights of role %q: %w", e.server.Role, err)
	}
	again := e.refusals.found != e.refusals.rights || time.Since(e.refusals.asked) > askAgainAfter
	e.refusals.again = &again
	return again, nil
}

// served notes that a rescan has come to all roles. One that ended earlier, as without the lock, may have asked for nothing: the next one does.
func (r *refusals) served() {
	if r.again != nil && *r.again {
		r.rights, r.asked = r.found, time.Now()
	}
	r.again = nil
}
