package reconcile

import (
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

// Observation describes a pass, for metrics. One without Duration is not a pass, but the record of a failed one.
type Observation struct {
	Cause      audit.Cause
	Rows       []audit.Row // that it wrote to the audit
	Statements int         // that it ran
	LockWait   time.Duration
	Duration   time.Duration // with the wait
	Err        error         // it was rolled back, with rows and statements, and is tried again or recorded
	Ended      int           // sessions that it ended
}

// observed tells of a pass.
func (e *Engine) observed(w work, p *Pass, started time.Time, err error) {
	if e.observe != nil {
		e.observe(Observation{w.cause, p.Rows, len(p.Statements), p.lockWaited, time.Since(started), err, p.sessions})
	}
}

// recorded tells of the record of a failure.
func (e *Engine) recorded(row audit.Row, err error) {
	if e.observe != nil {
		e.observe(Observation{Cause: row.Cause, Rows: []audit.Row{row}, Err: err})
	}
}
