package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/catalog/failure"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// atomically runs do in a savepoint. Where it fails by an error that mayUndo accepts, the database and what the applier knows of it are as before, and the error
// is returned as undone. What it has learned about what PostgreSQL refuses, and about locks, stays.
func (a *Applier) atomically(ctx context.Context, mayUndo func(error) bool, do func() error) (undone, err error) {
	if err := a.exec(ctx, "SAVEPOINT atomically"); err != nil {
		return nil, err
	}
	before := a.snapshot()
	cause := do()
	if cause == nil {
		return nil, a.exec(ctx, "RELEASE SAVEPOINT atomically")
	}
	if !mayUndo(cause) {
		return nil, cause
	}
	a.ran = before
	if err := a.exec(ctx, "ROLLBACK TO SAVEPOINT atomically; RELEASE SAVEPOINT atomically"); err != nil {
		return nil, err
	}
	return cause, a.noteLockTimeout(ctx, cause)
}

// The locks that other sessions hold cost so much time at most in a pass: so many waits, and then hardly any.
const (
	maxLockTimeouts = 4
	hardlyAnyWait   = 10 * time.Millisecond
)

// noteLockTimeout counts the locks that could not be had in time.
func (a *Applier) noteLockTimeout(ctx context.Context, err error) error {
	if failure.Of(err) == failure.Locked {
		a.lockTimeouts++
	}
	if a.lockTimeouts < maxLockTimeouts || a.lockWait == hardlyAnyWait {
		return nil
	}
	a.lockWait = hardlyAnyWait
	return a.exec(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d", hardlyAnyWait.Milliseconds()))
}

// try runs steps on which nothing else depends. When PostgreSQL refuses one, none of them has run, and that is remembered. A statement
// for many roles is then tried for each alone: only one of them may be the reason.
func (a *Applier) try(ctx context.Context, steps []plan.Step) error {
	if _, ok := a.rejected[steps[0].Key()]; ok {
		return nil
	}
	mode, mayUndo := a.mode, mayUndo
	if steps[0].Guarded {
		mayUndo = a.mayUndoGuarded
	}
	undone, err := a.atomically(ctx, mayUndo, func() error {
		a.mode = min(mode, RetryEach)
		defer func() { a.mode = mode }()
		return a.Run(ctx, unguarded(steps))
	})
	if err != nil || undone == nil {
		return err
	}
	r := rejectionOf(undone)
	for _, s := range steps {
		a.rejected[s.Key()] = r
	}
	if r.Kind != plan.Blocked || len(steps) > 1 {
		return nil
	}
	for _, alone := range steps[0].Alone() {
		if err := a.try(ctx, []plan.Step{alone}); err != nil {
			return err
		}
	}
	return nil
}

// mayUndo reports whether the pass goes on without a statement that failed. Citus does not commit a transaction in which a node did not answer.
func mayUndo(err error) bool {
	return !failure.EndsTransaction(err) && failure.Of(err) != failure.Disconnected && failure.Of(err) != failure.Unreachable && (failure.SQLState(err) != "" || errors.Is(err, errObjectRenamed))
}

// mayUndoGuarded is mayUndo for guarded steps: another try of the whole pass may well do them.
func (a *Applier) mayUndoGuarded(err error) bool {
	return failure.IsRejection(err) && (failure.Of(err) != failure.Slow || a.options.SkipSlow)
}

// unguarded are the steps within the savepoint of a bundle, where each must succeed.
func unguarded(steps []plan.Step) []plan.Step {
	list := make([]plan.Step, len(steps))
	for i, s := range steps {
		s.Guarded = false
		list[i] = s
	}
	return list
}

// rejectionOf says how an error is reported that a savepoint has undone: a lock is free again in a moment.
func rejectionOf(err error) plan.Rejection {
	var why *pgconn.PgError
	switch {
	case errors.Is(err, errObjectRenamed):
		return plan.Rejection{Kind: plan.Failed, Code: plan.Conflict, Reason: errObjectRenamed.Error()}
	case !errors.As(err, &why):
		return plan.Rejection{Kind: plan.Blocked, Code: plan.Rejected, Reason: err.Error()}
	case failure.EndsTransaction(err):
		return plan.Rejection{Kind: plan.Failed, Code: plan.Conflict, Reason: fmt.Sprintf("another session was in the way: %s (SQLSTATE %s)", why.Message, why.Code)}
	case failure.Of(err) == failure.Locked:
		return plan.Rejection{Kind: plan.Failed, Code: plan.LockTimeout, Reason: fmt.Sprintf("another session holds a lock: %s (SQLSTATE %s)", why.Message, why.Code)}
	}
	r := plan.Rejection{Kind: plan.Blocked, Code: plan.Rejected, Reason: fmt.Sprintf(plan.RejectedReason+"%s (SQLSTATE %s)", why.Message, why.Code), Rights: why.Code == "42501"}
	if failure.Of(err) == failure.Again {
		r.Kind, r.Stale = plan.Failed, true
	}
	return r
}
