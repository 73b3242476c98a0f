package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/catalog/failure"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/inspect"
)

// wholeAfter is when a rescan inspects all roles although nothing is known to have changed: for what inspect.State does not see, such as a parameter that a
// newly loaded library brings, or the privileges of our intermediate roles in other databases.
const wholeAfter = 10 * time.Minute

// cheapReading is how long it may take to read the state, whatever it is compared with: in a small cluster, which takes longer is chance.
const cheapReading = 250 * time.Millisecond

// settled remembers a rescan that found all roles as desired: until something changes, the next ones need not inspect them.
type settled struct {
	state string // inspect.State before it; empty: there is none to remember
	roles int    // how many roles it inspected
	at    time.Time
	slow  bool // to read the state takes as long as to inspect the roles, as where other databases have most of the cluster's memberships
	once  bool // it did so once, which may be chance
}

// unchanged reads the state, and reports whether it is that of a settled rescan. The state is read before the roles are inspected, so what changes meanwhile
// is found by the next rescan at the latest.
func (e *Engine) unchanged(ctx context.Context, cause audit.Cause) (state string, yes bool, err error) {
	recent := time.Since(e.settled.at) < wholeAfter
	if cause == audit.Manual || recent && e.settled.slow {
		return "", false, nil
	}
	state, err = inspect.State(ctx, e.conn, e.server)
	if failure.Of(err) == failure.Slow {
		e.settled = settled{at: time.Now(), slow: true}
		return "", false, nil
	}
	return state, err == nil && recent && state == e.settled.state, err
}

// timedSQL asks for what time alone brings to a rescan.
const timedSQL = `
	select exists (select from sync_roles.retries)
		or exists (select from sync_roles.held)
		or exists (select from sync_roles.contested)
		or exists (select from sync_roles.costly_patterns)
		or exists (select from sync_roles.intermediate_roles where empty_since is not null)
		or case when exists (select from sync_roles.desired_roles where end_sessions) or exists (select from sync_roles.desired_roles where state <> 'active')
			then exists (select from sync_roles.stale_sessions join sync_roles.desired_roles using (role_name) where end_sessions or state <> 'active')
				or exists (select from sync_roles.desired_roles join pg_catalog.pg_roles on rolname = role_name where state = 'retired')
			else false end`

// settle remembers that a rescan found all roles as desired, if nothing but a change can make that untrue. The rescan took so long, and reading the state so
// much of it.
func (e *Engine) settle(ctx context.Context, state string, roles int, reading, all time.Duration) error {
	if state == "" { // it was not read
		return nil
	}
	slow := reading > cheapReading && 2*reading > all
	e.settled = settled{roles: roles, at: time.Now(), slow: slow && e.settled.once, once: slow}
	if e.settled.slow {
		return nil
	}
	var timed bool
	if err := e.conn.QueryRow(ctx, timedSQL).Scan(&timed); err != nil {
		return fmt.Errorf("ask whether anything is due later: %w", err)
	}
	if !timed {
		e.settled.state = state
	}
	return nil
}
