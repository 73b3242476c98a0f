package daemon

import (
	"context"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/internal/metrics"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/loop"
)

// reconciler is what the loop sees of an engine.
type reconciler struct {
	engine    *reconcile.Engine
	database  *metrics.Database
	retention time.Duration
	tended    time.Time // when nothing old was left in the audit
}

func (r *reconciler) ServeQueue(ctx context.Context) (loop.Look, error) {
	report, err := r.engine.ServeQueue(ctx, audit.Notify)
	return loop.Look{Served: report.Roles > 0, MoreToCome: report.MoreToCome}, err
}

func (r *reconciler) ServeRetries(ctx context.Context) error {
	_, err := r.engine.ServeRetries(ctx)
	return err
}

func (r *reconciler) ServeExpired(ctx context.Context) error {
	_, err := r.engine.ServeExpired(ctx)
	return err
}

func (r *reconciler) Rescan(ctx context.Context, why loop.Occasion) error {
	cause := audit.Rescan
	switch why {
	case loop.Start:
		cause = audit.Startup
	case loop.DDL:
		cause = audit.DDL
	case loop.Interval:
	}
	if _, err := r.engine.Rescan(ctx, cause); err != nil {
		return err
	}
	r.database.Rescanned()
	switch why {
	case loop.Start:
		return r.engine.LogHead(ctx)
	case loop.Interval:
		return r.tend(ctx)
	case loop.DDL:
	}
	return nil
}

// tend does what the audit needs once an hour: it deletes old rows, more often if there are many, and writes the chain's head to the log.
func (r *reconciler) tend(ctx context.Context) error {
	if time.Since(r.tended) < time.Hour {
		return nil
	}
	if r.retention > 0 {
		if more, err := r.engine.Retain(ctx, r.retention); err != nil || more {
			return err
		}
	}
	r.tended = time.Now()
	return r.engine.LogHead(ctx)
}

func (r *reconciler) NextDue(ctx context.Context) (time.Time, bool, error) {
	return r.engine.NextDue(ctx)
}

func (r *reconciler) Ping(ctx context.Context) error { return r.engine.Ping(ctx) }

func (r *reconciler) Close(ctx context.Context) error {
	r.database.Connected(false)
	return r.engine.Close(ctx)
}
