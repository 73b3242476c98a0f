package reconcile

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/desired"
)

// recordFailure writes down that a role could not be served, in a transaction of its own, and when it is tried again. Its requests
// are taken from the queue: the retry stands for them.
func (e *Engine) recordFailure(ctx context.Context, w work, role string, cause error, report *Report) error {
	row := AuditRow{Role: role, Cause: w.cause, Outcome: Failed, Statements: []string{}, Problems: []Problem{}, RequestedBy: []string{}, SQLState: SQLState(cause), Error: cause.Error(), Instance: e.instance}
	final := classOf(cause) == needsHelp
	if final {
		row.Outcome = Blocked
		row.Problems = []Problem{{Kind: Blocked, Object: "role " + role, Reason: cause.Error()}}
	}
	err := pgx.BeginFunc(ctx, e.conn, func(tx pgx.Tx) error {
		requests, err := desired.TakeFor(ctx, tx, []string{role})
		if err != nil {
			return err
		}
		for _, r := range requests {
			row.RequestedBy = r.By
		}
		roles, err := readRoles(ctx, tx, []string{role})
		if err != nil {
			return err
		}
		last := roles[role]
		row.Attempt = last.FailedAttempts + 1
		if _, err := tx.Exec(ctx, retrySQL, role, row.Attempt, backoff(row.Attempt, final)); err != nil {
			return fmt.Errorf("record when role %q is tried again: %w", role, err)
		}
		if final && len(requests) == 0 && last.LastOutcome == Blocked && len(last.LastProblems) == 1 && last.LastProblems[0] == row.Problems[0] {
			return nil // said before
		}
		return writeAudit(ctx, tx, &row)
	})
	report.Roles++
	report.keeps = true // for all that is known
	if err != nil {
		return fmt.Errorf("record that role %q could not be served (%w): %w", role, cause, err)
	}
	if row.Pass != "" {
		report.Rows = append(report.Rows, row)
		e.recorded(w, row, cause)
	}
	e.log.Warn().Str("pass", row.Pass).Str("role", role).Str("outcome", string(row.Outcome)).Str("sqlstate", row.SQLState).Int("attempt", row.Attempt).Err(cause).Msg("role could not be served")
	return nil
}

const retrySQL = `
	insert into sync_roles.retries (role_name, attempt, next_retry_at) values ($1, $2, now() + $3)
	on conflict (role_name) do update set attempt = excluded.attempt, next_retry_at = excluded.next_retry_at`

// rememberFailures says when roles are tried again of which something failed, and forgets the failures of those that got through.
func rememberFailures(records *pgx.Batch, roles map[string]Role, found problems) {
	for _, name := range keys(roles) {
		attempt := roles[name].FailedAttempts
		switch {
		case slices.ContainsFunc(found[name], func(p Problem) bool { return p.Kind == Failed }):
			records.Queue(retrySQL, name, attempt+1, backoff(attempt+1, false))
		case attempt > 0:
			records.Queue("delete from sync_roles.retries where role_name = $1", name)
		}
	}
}

// backoff is how long to wait before the next try: about 1 s, 2 s, 4 s, …, at most about 5 min. What takes somebody's help is looked
// at every 5 min.
func backoff(attempt int, final bool) time.Duration {
	d := 5 * time.Minute
	if !final && attempt < 9 {
		d = time.Second << (attempt - 1)
	}
	return d - d/10 + rand.N(d/5) //nolint:gosec // jitter is no secret
}

// recordLockFailure writes down that a pass did not come to any role: once, however often it is tried. The requests stay in the queue.
func (e *Engine) recordLockFailure(ctx context.Context, w work, cause error, report *Report) error {
	missed := &e.lockMissed
	if errors.Is(cause, errTablesLocked) {
		missed = &e.tablesMissed
	}
	if *missed {
		return cause
	}
	row := AuditRow{Cause: w.cause, Outcome: Failed, Statements: []string{}, Problems: []Problem{}, RequestedBy: []string{}, SQLState: SQLState(cause), Error: cause.Error(), Attempt: 1, Instance: e.instance}
	err := pgx.BeginFunc(ctx, e.conn, func(tx pgx.Tx) error { return writeAudit(ctx, tx, &row) })
	if err != nil {
		e.log.Warn().Err(err).Msg("cannot record that no role could be served")
		return cause
	}
	*missed = true
	e.recorded(w, row, cause)
	report.Rows = append(report.Rows, row)
	return cause
}

// outside marks an error of a statement outside of a pass that waits for no role: others are to be served, and it is tried again. A lock on the tables that
// writers can lock is reported with who holds it, once.
func (e *Engine) outside(ctx context.Context, cause Cause, err error, report *Report) error {
	if classOf(err) != locked || ctx.Err() != nil || e.conn.IsClosed() {
		return e.passing(ctx, err)
	}
	err = e.tablesLocked(ctx, fmt.Errorf("%w: %w", errTablesLocked, err))
	e.log.Debug().Err(err).Msg("cannot read the desired rows")
	return e.recordLockFailure(ctx, work{cause: cause}, &lockError{err}, report)
}
