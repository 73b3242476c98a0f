package reconcile

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog/failure"
	"github.com/pg-sync-roles/pg-sync-roles/desired"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/inspect"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// recordFailure records that the pass over a role failed, in a transaction of its own, and when it is tried again. Its requests
// are taken from the queue: the retry stands for them.
func (e *Engine) recordFailure(ctx context.Context, w work, role string, cause error, report *Report) error {
	row := audit.NewRow(role, w.cause, plan.Failed, e.instance)
	row.SQLState, row.Error = failure.SQLState(cause), cause.Error()
	needsHelp := failure.Of(cause) == failure.NeedsHelp
	if needsHelp {
		row.Outcome = plan.Blocked
		row.Problems = []plan.Problem{{Kind: plan.Blocked, Code: plan.RoleFailed, Role: role, Object: "role " + role, Reason: cause.Error()}}
	}
	if errors.As(cause, new(*breachError)) {
		row.Outcome, row.Error = plan.Refused, ""
		row.Problems = []plan.Problem{{Kind: plan.Refused, Code: plan.Forbidden, Role: role, Object: "role " + role, Reason: cause.Error()}}
	}
	err := pgx.BeginFunc(ctx, e.conn, func(tx pgx.Tx) error {
		requests, err := desired.TakeFor(ctx, tx, []string{role})
		if err != nil {
			return err
		}
		for _, r := range requests {
			row.RequestedBy = r.By
		}
		roles, err := inspect.Roles(ctx, tx, []string{role})
		if err != nil {
			return err
		}
		last := roles[role]
		row.Attempt = last.FailedAttempts + 1
		if err := audit.WriteRetry(ctx, tx, role, row.Attempt, audit.Backoff(row.Attempt, needsHelp)); err != nil {
			return err
		}
		if needsHelp && len(requests) == 0 && last.LastOutcome == row.Outcome && plan.SameProblems(last.LastProblems, row.Problems) {
			return nil // told before
		}
		return e.writer().WriteOne(ctx, tx, &row)
	})
	report.Roles++
	report.keeps = true // for all that is known
	delete(report.asDesired, role)
	if err != nil {
		return fmt.Errorf("record the failure of role %q (%w): %w", role, cause, err)
	}
	if row.Pass != "" {
		report.Rows = append(report.Rows, row)
		e.recorded(row, cause)
	}
	e.log.Warn().Str("pass", row.Pass).Str("role", role).Str("outcome", string(row.Outcome)).Str("sqlstate", row.SQLState).Int("attempt", row.Attempt).Err(cause).
		Msg("the pass over the role failed")
	return nil
}

// recordLockFailure records that a pass did not come to any role: once, however often it is tried. The requests stay in the queue.
func (e *Engine) recordLockFailure(ctx context.Context, cause audit.Cause, err error, report *Report) error {
	missed := &e.lockMissed
	if errors.Is(err, errTablesLocked) {
		missed = &e.tablesMissed
	}
	if *missed {
		return err
	}
	row := audit.NewRow("", cause, plan.Failed, e.instance)
	row.SQLState, row.Error = failure.SQLState(err), err.Error()
	if problem := pgx.BeginFunc(ctx, e.conn, func(tx pgx.Tx) error { return e.writer().WriteOne(ctx, tx, &row) }); problem != nil {
		e.log.Warn().Err(problem).Msg("cannot record that a pass did not come to any role")
		return err
	}
	*missed = true
	e.recorded(row, err)
	report.Rows = append(report.Rows, row)
	return err
}

// outside marks an error of a statement outside of a pass that is about no single role: others are to be served, and it is tried again. A lock on the tables that
// writers can lock is reported with who holds it, once.
func (e *Engine) outside(ctx context.Context, cause audit.Cause, err error, report *Report) error {
	if failure.Of(err) != failure.Locked || ctx.Err() != nil || e.conn.IsClosed() {
		return e.passing(ctx, err)
	}
	err = e.tablesLocked(ctx, fmt.Errorf("%w: %w", errTablesLocked, err))
	e.log.Debug().Err(err).Msg("cannot read the desired rows")
	return e.recordLockFailure(ctx, cause, &lockError{err}, report)
}
