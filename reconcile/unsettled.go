package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// ALTER SCHEMA and ALTER TYPE … RENAME take no lock that a pass could share: whoever runs one while a pass writes to the same schema gets "tuple concurrently
// updated" (RenameSchema in schemacmds.c, RenameType in typecmds.c). Where such a name has just passed from one object to another, the next ALTER or DROP
// is likely to follow. So a daemon leaves both alone for a moment.

// settling is for how long. A failed pass is tried again after a second at the earliest.
const settling = 750 * time.Millisecond

// settlingAttempts is how many passes of a role leave such objects alone, one after the other: about half a minute's. Else the owner of schemas that renames
// them again and again would keep what rows no longer ask for.
const settlingAttempts = 5

// leavesAlone reports whether an object is left alone in this pass, as far as it concerns the role.
func (d *Drift) leavesAlone(oid catalog.OID, role string) bool {
	return d.unsettled[oid] && d.Roles[role].FailedAttempts < settlingAttempts
}

// What is left alone fails for its role, and is tried again. So it should have been renamed a moment ago, and not since anybody last looked: an engine
// remembers at which times transactions had which IDs. Where none of those times tells, one more is noted, and the pass starts over when that time
// is long enough ago; nothing is locked meanwhile. An event trigger tells of what has happened this moment: there is nothing to find out.

// transactionMark is the next transaction ID at a time.
type transactionMark struct {
	at time.Time
	id int64
}

// errUndated is that objects look unsettled, and that it cannot be told yet for how long.
var errUndated = errors.New("it cannot be told yet when schemas or types were renamed")

var unsettledSQL = query("unsettled")

// readUnsettled notes which schemas and types the drift is about that have been renamed a moment ago.
func (e *Engine) readUnsettled(ctx context.Context, tx pgx.Tx, d *Drift, w work) error {
	d.unsettled = map[catalog.OID]bool{}
	var classes, oids []catalog.OID
	add := func(t catalog.ObjectType, class, oid catalog.OID) {
		if oid != 0 && (t == catalog.Schema || t == "type") {
			classes, oids = append(classes, class), append(oids, oid)
		}
	}
	for _, m := range d.Missing {
		add(m.ObjectType, m.Class, m.OID)
	}
	for _, s := range d.Grants {
		add(s.ObjectType, s.Class, s.OID)
	}
	for _, s := range d.Ownerships {
		add(s.ObjectType, s.Class, s.OID)
	}
	if len(oids) == 0 {
		return nil
	}
	young, dated := e.young(time.Now())
	var list []catalog.OID
	var next int64
	if err := tx.QueryRow(ctx, unsettledSQL, classes, oids, young).Scan(&list, &next); err != nil {
		return fmt.Errorf("look for schemas and types that were renamed a moment ago: %w", err)
	}
	e.addMark(next)
	if len(list) > 0 && !dated && !w.dated && w.cause != DDL {
		return errUndated
	}
	for _, oid := range list {
		d.unsettled[oid] = true
	}
	return nil
}

// young returns the first transaction ID that is young, or 0 if all are for all that is known; and whether those that are not as young are known to be
// about as old as that.
func (e *Engine) young(now time.Time) (id int64, dated bool) {
	for len(e.marks) > 1 && now.Sub(e.marks[1].at) >= settling {
		e.marks = e.marks[1:]
	}
	if len(e.marks) == 0 || now.Sub(e.marks[0].at) < settling {
		return 0, false
	}
	return e.marks[0].id, now.Sub(e.marks[0].at) < 2*settling
}

// addMark notes the next transaction ID of a moment ago.
func (e *Engine) addMark(next int64) {
	now := time.Now()
	if n := len(e.marks); n == 0 || now.Sub(e.marks[n-1].at) > settling/10 {
		e.marks = append(e.marks, transactionMark{now, next})
	}
}

// mark asks for the next transaction ID, so that what is looked at later can be dated.
func (e *Engine) mark(ctx context.Context) error {
	var next int64
	if err := e.conn.QueryRow(ctx, "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint").Scan(&next); err != nil {
		return fmt.Errorf("read the next transaction ID: %w", err)
	}
	_, _ = e.young(time.Now()) // it forgets those that are too old
	e.addMark(next)
	return nil
}

// untilDated waits until what looked unsettled a moment ago can be dated.
func (e *Engine) untilDated(ctx context.Context) error {
	now := time.Now()
	for _, m := range e.marks {
		wait := settling - now.Sub(m.at)
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

const unsettledReason = "it has been renamed, or taken over its name, this very moment, and is left alone until that is over"
