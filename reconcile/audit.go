package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/desired"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/chain"
)

// AuditRow is a row of sync_roles.audit.
type AuditRow struct {
	Role        string        `json:"role_name"` // empty: the pass failed before it came to any role
	Cause       Cause         `json:"cause"`
	Outcome     Outcome       `json:"outcome"`
	Granted     int           `json:"granted"`
	Revoked     int           `json:"revoked"`
	Statements  []string      `json:"statements"`
	Changes     []string      `json:"changes"` // what these did, in words; not in the table
	Problems    []Problem     `json:"problems"`
	SQLState    string        `json:"sqlstate,omitempty"`
	Error       string        `json:"error,omitempty"`
	RequestedBy []string      `json:"requested_by"`
	Attempt     int           `json:"attempt"`
	Duration    time.Duration `json:"duration_ns"`
	Instance    string        `json:"instance"`
	Pass        string        `json:"pass"` // the same for all that was done in one transaction
}

// auditRows says for each role how the pass ended. A role that nobody asked about gets a row only where something changed, or
// ended otherwise than last time.
func auditRows(w work, s *state, done []Step, requests []desired.Request, instance, pass string, started time.Time) []AuditRow {
	rows := map[string]*AuditRow{}
	row := func(unit string) *AuditRow {
		if rows[unit] == nil {
			attempt := s.roles[unit].FailedAttempts + 1
			rows[unit] = &AuditRow{Role: unit, Cause: w.cause, Statements: []string{}, Changes: []string{}, Problems: []Problem{}, RequestedBy: []string{}, Attempt: attempt, Duration: time.Since(started), Instance: instance, Pass: pass}
		}
		return rows[unit]
	}
	for _, step := range done {
		for _, effect := range step.Effects {
			r := row(effect.Unit)
			r.Granted += effect.Granted
			r.Revoked += effect.Revoked
			if w.cause == Manual { // hundreds of thousands, which only people read
				r.Changes = append(r.Changes, effect.changes()...)
			}
			if effect.SQL != "" {
				r.Statements = append(r.Statements, effect.SQL)
			}
		}
	}
	for _, request := range requests {
		row(request.Role).RequestedBy = request.By
	}
	for unit, by := range s.approvedBy {
		if r := row(unit); !slices.Contains(r.RequestedBy, by) {
			r.RequestedBy = append(slices.Clone(r.RequestedBy), by)
		}
	}
	for unit, role := range s.roles {
		list := slices.Clone(s.problems[unit])
		sortProblems(list)
		_, there := rows[unit]
		if there || endsOtherwise(role, outcomeOf(false, list), list) || w.dry && len(list) > 0 {
			row(unit).Problems = list
		}
	}

	result := make([]AuditRow, 0, len(rows))
	for _, unit := range keys(rows) {
		r := rows[unit]
		if r.Problems == nil {
			r.Problems = []Problem{}
		}
		r.Outcome = outcomeOf(len(r.Statements) > 0, r.Problems)
		if i := slices.IndexFunc(r.Problems, func(p Problem) bool { return p.Kind == Failed }); i >= 0 {
			r.Error, r.SQLState = r.Problems[i].Reason, "55P03" // the one thing that a pass goes on without, and that is tried again
		}
		result = append(result, *r)
	}
	return result
}

// endsOtherwise reports whether a role's last audit row no longer says how it is. Intermediate roles that are in order, and
// roles that are no longer managed, have nothing to say.
func endsOtherwise(r Role, outcome Outcome, list []Problem) bool {
	if r.LastOutcome == "" && (r.Intermediate || !r.Managed) && len(list) == 0 {
		return false
	}
	if r.LastOutcome == "" {
		return true
	}
	same := r.LastOutcome == outcome || inSync(r.LastOutcome) && inSync(outcome)
	return !same || !slices.Equal(r.LastProblems, list)
}

func inSync(o Outcome) bool { return o == Applied || o == Unchanged }

// documents are the problems of each row, in JSON.
func documents(rows []AuditRow) ([]string, error) {
	list := make([]string, len(rows))
	for i, r := range rows {
		text, err := json.Marshal(r.Problems)
		if err != nil {
			return nil, fmt.Errorf("write problems of role %q: %w", r.Role, err)
		}
		list[i] = string(text)
	}
	return list, nil
}

// audit runs the records, and then writes the rows. They come last: until the commit, nobody else writes to the audit. A rehearsal is rolled back,
// and must keep nobody waiting.
func (e *Engine) audit(ctx context.Context, tx pgx.Tx, records *pgx.Batch, rows []AuditRow, rehearsal bool) (head chain.Head, err error) {
	if len(rows) == 0 {
		return head, tx.SendBatch(ctx, records).Close()
	}
	problems, err := documents(rows)
	if err != nil {
		return head, err
	}
	var w *chain.Writer
	if rehearsal {
		w = chain.Rehearse(records, len(rows), problems)
	} else {
		w = chain.Open(records, e.lockTimeout, len(rows), problems)
	}
	if err := tx.SendBatch(ctx, records).Close(); err != nil {
		return head, err
	}
	batch := &pgx.Batch{}
	for i := range rows {
		r := &rows[i]
		r.Pass = w.Pass
		w.Row(batch, chain.Row{
			Role: r.Role, Cause: string(r.Cause), Outcome: string(r.Outcome), Granted: r.Granted, Revoked: r.Revoked, Statements: r.Statements,
			SQLState: r.SQLState, Error: r.Error, RequestedBy: r.RequestedBy, Attempt: r.Attempt, Duration: r.Duration, Instance: r.Instance,
		})
	}
	if !rehearsal {
		w.Close(batch)
	}
	return w.Head(), tx.SendBatch(ctx, batch).Close()
}

// writeAudit writes one row by itself, and puts the pass into it.
func (e *Engine) writeAudit(ctx context.Context, tx pgx.Tx, row *AuditRow) error {
	rows := []AuditRow{*row}
	if _, err := e.audit(ctx, tx, &pgx.Batch{}, rows, false); err != nil {
		return fmt.Errorf("write audit: %w", err)
	}
	row.Pass = rows[0].Pass
	return nil
}
