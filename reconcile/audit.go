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
			rows[unit] = &AuditRow{Role: unit, Cause: w.cause, Statements: []string{}, Problems: []Problem{}, RequestedBy: []string{}, Attempt: attempt, Duration: time.Since(started), Instance: instance, Pass: pass}
		}
		return rows[unit]
	}
	for _, step := range done {
		for _, effect := range step.Effects {
			r := row(effect.Unit)
			r.Granted += effect.Granted
			r.Revoked += effect.Revoked
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

const auditSQL = `
INSERT INTO sync_roles.audit (
    id, at, role_name, cause, outcome, granted, revoked, statements, problems, sqlstate, error, requested_by, attempt, duration, instance,
    pass, seq, previous_hash, hash
) OVERRIDING SYSTEM VALUE
SELECT
    a.id, a.at, a.role_name, a.cause, a.outcome, a.granted, a.revoked, a.statements, a.problems, a.sqlstate, a.error, a.requested_by, a.attempt,
    a.duration, a.instance, a.pass, a.seq, a.previous_hash, ` + chain.RowHashSQL + `
FROM (
    SELECT nextval('sync_roles.audit_id_seq') AS id, clock_timestamp() AS at, nullif($1::text, '') AS role_name, $2::text AS cause,
        $3::text AS outcome, $4::integer AS granted, $5::integer AS revoked, $6::text[] AS statements, $7::jsonb AS problems,
        nullif($8::text, '') AS sqlstate, nullif($9::text, '') AS error, $10::text[] AS requested_by, $11::integer AS attempt,
        $12::interval AS duration, $13::text AS instance, pg_current_xact_id() AS pass,
        ` + chain.NextPlaceSQL + `
) AS a
` + chain.PlacedSQL

// audit queues the rows. The caller has opened the chain, and closes it.
func audit(records *pgx.Batch, rows []AuditRow) error {
	for _, r := range rows {
		list, err := json.Marshal(r.Problems)
		if err != nil {
			return fmt.Errorf("write problems of role %q: %w", r.Role, err)
		}
		records.Queue(auditSQL, r.Role, string(r.Cause), string(r.Outcome), r.Granted, r.Revoked, r.Statements, string(list), r.SQLState, r.Error, r.RequestedBy, r.Attempt, r.Duration, r.Instance)
	}
	return nil
}

// auditPass queues a pass's rows. It comes last: until the commit, nobody else writes to the audit.
func (e *Engine) auditPass(records *pgx.Batch, w work, p *Pass) error {
	if len(p.Rows) == 0 {
		return nil
	}
	if w.dry {
		peekChain(records)
		return audit(records, p.Rows)
	}
	e.openChain(records)
	if err := audit(records, p.Rows); err != nil {
		return err
	}
	closeChain(records, &p.head)
	return nil
}

// writeAudit writes one row by itself, and puts the pass into it.
func (e *Engine) writeAudit(ctx context.Context, tx pgx.Tx, row *AuditRow) error {
	records := &pgx.Batch{}
	records.Queue("select pg_current_xact_id()::text").QueryRow(func(r pgx.Row) error { return r.Scan(&row.Pass) })
	e.openChain(records)
	if err := audit(records, []AuditRow{*row}); err != nil {
		return err
	}
	closeChain(records, new(chain.Head))
	if err := tx.SendBatch(ctx, records).Close(); err != nil {
		return fmt.Errorf("write audit: %w", err)
	}
	return nil
}
