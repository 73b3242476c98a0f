package reconcile

import (
	"context"
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

// transactionMark is a transaction ID that was not yet in use at a time.
type transactionMark struct {
	at time.Time
	id int64
}

var unsettledSQL = query("unsettled")

// readUnsettled notes which schemas and types the drift is about that have been renamed a moment ago.
func (e *Engine) readUnsettled(ctx context.Context, tx pgx.Tx, d *Drift) error {
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
	now := time.Now()
	for len(e.marks) > 1 && now.Sub(e.marks[1].at) >= settling {
		e.marks = e.marks[1:]
	}
	var young int64
	if len(e.marks) > 0 && now.Sub(e.marks[0].at) >= settling {
		young = e.marks[0].id
	}
	var list []catalog.OID
	mark := transactionMark{at: now}
	if err := tx.QueryRow(ctx, unsettledSQL, classes, oids, young).Scan(&list, &mark.id); err != nil {
		return fmt.Errorf("look for schemas and types that were renamed a moment ago: %w", err)
	}
	if n := len(e.marks); n == 0 || now.Sub(e.marks[n-1].at) > settling/10 {
		e.marks = append(e.marks, mark)
	}
	for _, oid := range list {
		d.unsettled[oid] = true
	}
	return nil
}

const unsettledReason = "it has been renamed, or taken over its name, this very moment, and is left alone until that is over"
