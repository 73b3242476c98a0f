package reconcile

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/inspect"
)

// ALTER SCHEMA and ALTER TYPE … RENAME take no lock that a pass could share: whoever runs one while a pass writes to the same schema gets "tuple concurrently
// updated" (RenameSchema in schemacmds.c, RenameType in typecmds.c). Where such a name has just passed from one object to another, the next ALTER or DROP
// is likely to follow. So a daemon leaves both alone for a moment.
//
// What is left alone fails for its role, and is tried again. So it should have been renamed a moment ago, and not at any time since the last look: an engine
// remembers at which times transactions had which IDs. Where none of those times tells, one more is noted, and the pass starts over when that time
// is long enough ago; nothing is locked meanwhile. An event trigger tells of what has happened this moment: there is nothing to find out.

// renameQuietPeriod is how long what was renamed is left alone, plan.settlingAttempts times at most. A failed pass is tried again after a second at the earliest.
const renameQuietPeriod = 750 * time.Millisecond

// transactionClock knows which transaction IDs were next at which times, in order.
type transactionClock []transactionMark

type transactionMark struct {
	at time.Time
	id int64
}

// errUndated is that objects were renamed, and that it cannot be told yet how long ago.
var errUndated = errors.New("it cannot be told yet when schemas or types were renamed")

// readRenaming notes which schemas and types of the drift were renamed a moment ago.
func (e *Engine) readRenaming(ctx context.Context, tx pgx.Tx, w work, b *batch) error {
	young, dated := e.clock.young(time.Now())
	renaming, next, err := inspect.Renaming(ctx, tx, b.drift, young)
	if err != nil {
		return err
	}
	if next != 0 {
		e.clock.mark(next)
	}
	if len(renaming) > 0 && !dated && !w.dated && w.cause != audit.DDL {
		return errUndated
	}
	b.facts.Renaming = renaming
	return nil
}

// young returns the first transaction ID that is young, or 0 if all are for all that is known; and whether those that are not as young are known to be
// about as old as that. It forgets marks that are too old.
func (c *transactionClock) young(now time.Time) (id int64, dated bool) {
	marks := *c
	for len(marks) > 1 && now.Sub(marks[1].at) >= renameQuietPeriod {
		marks = marks[1:]
	}
	*c = marks
	if len(marks) == 0 || now.Sub(marks[0].at) < renameQuietPeriod {
		return 0, false
	}
	return marks[0].id, now.Sub(marks[0].at) < 2*renameQuietPeriod
}

// mark notes the next transaction ID.
func (c *transactionClock) mark(next int64) {
	now := time.Now()
	if n := len(*c); n == 0 || now.Sub((*c)[n-1].at) > renameQuietPeriod/10 {
		*c = append(*c, transactionMark{now, next})
	}
}

// markNow asks for the next transaction ID, so that what is inspected later can be dated.
func (e *Engine) markNow(ctx context.Context) error {
	next, err := inspect.NextTransaction(ctx, e.conn)
	if err != nil {
		return err
	}
	_, _ = e.clock.young(time.Now()) // it forgets those that are too old
	e.clock.mark(next)
	return nil
}

// untilDated waits until what was renamed a moment ago can be dated.
func (e *Engine) untilDated(ctx context.Context) error {
	now := time.Now()
	for _, m := range e.clock {
		wait := renameQuietPeriod - now.Sub(m.at)
		if wait <= 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
			return nil
		}
	}
	return nil
}

// datedPass is pass, started over where a rename in it must be dated first.
func (e *Engine) datedPass(ctx context.Context, w work) (*Pass, error) {
	p, err := e.pass(ctx, w)
	if !errors.Is(err, errUndated) {
		return p, err
	}
	if err := e.untilDated(ctx); err != nil {
		return p, err
	}
	w.dated = true
	return e.pass(ctx, w)
}
