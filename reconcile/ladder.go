package reconcile

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/catalog/failure"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/apply"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

// A ladder is what a pass over a batch climbs when it fails, rung by rung: as it is; again after a conflict with another session; without what PostgreSQL
// refuses, which becomes a problem of its roles; in halves, until the role that fails stands alone; and then its failure is recorded.
type ladder struct {
	engine *Engine
	pass   func(context.Context, work) (*Pass, error)
	done   func(work, *Pass)                                               // a pass went through
	record func(ctx context.Context, w work, role string, err error) error // the last rung, for a role that stands alone
}

// reconcileBatch does one pass's work. An error means that nothing more can be done now: the connection, or the context, or the lock.
func (e *Engine) reconcileBatch(ctx context.Context, w work, report *Report) error {
	if w.cause == audit.Manual {
		w.lockWait = e.lockTimeout // a person asked for it, and looks on
	}
	var ending []string
	l := ladder{
		engine: e,
		pass: func(ctx context.Context, w work) (*Pass, error) {
			started := time.Now()
			p, err := e.datedPass(ctx, w)
			if err != nil || len(p.roles) > 0 {
				e.observed(w, p, started, err)
			}
			return p, err
		},
		done: func(w work, p *Pass) {
			report.add(p)
			e.logPass(w, p)
			ending = append(ending, p.ending...)
		},
		record: func(ctx context.Context, w work, role string, err error) error {
			return e.recordFailure(ctx, w, role, err, report)
		},
	}
	err := e.climbInPortions(ctx, l, w, report)
	if err == nil {
		err = e.endSessionsBeside(ctx, ending, w, report)
	}
	if errors.As(err, new(*lockError)) && !e.lost(ctx, err) {
		return e.recordLockFailure(ctx, w.cause, err, report)
	}
	return err
}

// climbInPortions climbs with no more roles at once than a pass should hold the lock for.
func (e *Engine) climbInPortions(ctx context.Context, l ladder, w work, report *Report) error {
	// What is in the queue, or has expired, is taken in portions; and intermediate roles go together with their members.
	if w.roles == nil || w.members {
		return l.climb(ctx, w)
	}
	list, err := e.portions(ctx, w.roles)
	if err != nil {
		return e.outside(ctx, w.cause, err, report)
	}
	for _, w.roles = range list {
		if err := l.climb(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// climb climbs the rungs with a batch (invariant 6).
func (l *ladder) climb(ctx context.Context, w work) error {
	p, err := l.retryConflicts(ctx, &w)
	if err != nil && l.maySkip(ctx, w, p, err) {
		p, err = l.skipRefused(ctx, &w, err)
	}
	switch {
	case err == nil:
		l.done(w, p)
		return nil
	case l.ends(ctx, p, err):
		return err
	case len(p.roles) == 1:
		return l.record(ctx, w, p.roles[0], err)
	default:
		return l.bisect(ctx, w, p)
	}
}

// ends reports whether no other rung can help.
func (l *ladder) ends(ctx context.Context, p *Pass, err error) bool {
	return l.engine.lost(ctx, err) || errors.As(err, new(*lockError)) || errors.As(err, new(*measureError)) || len(p.roles) == 0
}

// maxAttempts is how often a pass over one role is begun anew at once when another session was in the way; one over several is rather split.
const maxAttempts = 8

// retryConflicts runs the pass as it is, and again after a conflict with another session.
func (l *ladder) retryConflicts(ctx context.Context, w *work) (p *Pass, err error) {
	for attempt := 1; ; attempt++ {
		p, err = l.asIs(ctx, w)
		limit := maxAttempts
		if len(p.roles) > 1 {
			limit = 2
		}
		if err == nil || l.ends(ctx, p, err) || failure.Of(err) != failure.Again || attempt >= limit {
			return p, err
		}
		w.mode = max(w.mode, apply.RetryEach)
		if err := pause(ctx, attempt); err != nil {
			return p, err
		}
	}
}

// asIs runs the pass, and again as long as leaving out costly patterns, or more time, can help one that takes too long.
func (l *ladder) asIs(ctx context.Context, w *work) (*Pass, error) {
	for {
		p, err := l.pass(ctx, *w)
		if err == nil || l.ends(ctx, p, err) || failure.Of(err) != failure.Slow {
			return p, err
		}
		retry, problem := l.engine.afterTimeout(ctx, w, p.roles)
		if problem != nil {
			return p, &measureError{problem}
		}
		if !retry {
			return p, err
		}
	}
}

// measureError is an error of measuring patterns.
type measureError struct{ error }

func (e *measureError) Unwrap() error { return e.error }

// maySkip reports whether the batch is worth a pass without what PostgreSQL refuses.
func (l *ladder) maySkip(ctx context.Context, w work, p *Pass, err error) bool {
	slowBatch := failure.Of(err) == failure.Slow && len(p.roles) > 1
	return !l.ends(ctx, p, err) && w.mode != apply.SkipRefused && failure.SQLState(err) != "" && !slowBatch && failure.Of(err) != failure.Unreachable
}

// skipRefused runs the pass without what PostgreSQL refuses.
func (l *ladder) skipRefused(ctx context.Context, w *work, cause error) (*Pass, error) {
	w.mode = apply.SkipRefused
	if failure.Of(cause) == failure.Locked {
		w.lockWait = min(apply.ShortLockWait, l.engine.lockTimeout) // it has been waited for
	}
	return l.retryConflicts(ctx, w)
}

// bisect climbs with each half of the batch.
func (l *ladder) bisect(ctx context.Context, w work, p *Pass) error {
	half := len(p.roles) / 2
	w.undeclared = max(w.undeclared, p.undeclared)
	for _, part := range [][]string{p.roles[:half], p.roles[half:]} {
		w.roles = slices.Clone(part)
		if err := l.climb(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// pause waits for a moment that grows with the attempt: about 10 ms, 20 ms, 40 ms, …
func pause(ctx context.Context, attempt int) error {
	d := time.Duration(1<<min(attempt, 6)) * 5 * time.Millisecond
	d += rand.N(d) //nolint:gosec // jitter is no secret
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
