package daemon

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/connect"
	"github.com/pg-sync-roles/pg-sync-roles/internal/metrics"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/loop"
)

// reconciler is what the loop sees of an engine. It works on the database's seat, and rests when the loop has asked what is due next: that is what a loop
// does before it waits.
type reconciler struct {
	engine    *reconcile.Engine
	seat      *seat
	configure func() (*pgx.ConnConfig, error) // of a connection, as it is now
	database  *metrics.Database
	retention time.Duration
	tended    time.Time // when nothing old was left in the audit
	due       *due      // nil: not known, after work
}

// due is when a retry or an expiry is due, if any is.
type due struct {
	at  time.Time
	any bool
}

// work takes the seat, and connects where another database has had it.
func (r *reconciler) work(ctx context.Context) error {
	r.due = nil
	kept, err := r.seat.take(ctx)
	if err != nil || kept {
		return err
	}
	config, err := r.configure()
	if err != nil {
		return err
	}
	return connect.Explained(r.engine.Resume(ctx, config))
}

func (r *reconciler) ServeQueue(ctx context.Context) (loop.Look, error) {
	if err := r.work(ctx); err != nil {
		return loop.Look{}, err
	}
	report, err := r.engine.ServeQueue(ctx, audit.Notify)
	return loop.Look{Served: report.Roles > 0, MoreToCome: report.MoreToCome}, err
}

func (r *reconciler) ServeRetries(ctx context.Context) error {
	if err := r.work(ctx); err != nil {
		return err
	}
	_, err := r.engine.ServeRetries(ctx)
	return err
}

func (r *reconciler) ServeExpired(ctx context.Context) error {
	if err := r.work(ctx); err != nil {
		return err
	}
	_, err := r.engine.ServeExpired(ctx)
	return err
}

func (r *reconciler) Rescan(ctx context.Context, why loop.Occasion) error {
	if err := r.work(ctx); err != nil {
		return err
	}
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

// NextDue asks only after work, and so needs no seat while the database rests.
func (r *reconciler) NextDue(ctx context.Context) (time.Time, bool, error) {
	if r.due != nil {
		return r.due.at, r.due.any, nil
	}
	if err := r.work(ctx); err != nil {
		return time.Time{}, false, err
	}
	at, ok, err := r.engine.NextDue(ctx)
	if err != nil {
		return time.Time{}, false, err
	}
	r.due = &due{at, ok}
	r.seat.rest()
	return at, ok, nil
}

// Ping asks the server for a sign of life, if the database has a connection.
func (r *reconciler) Ping(ctx context.Context) error {
	if !r.seat.keep() {
		return nil
	}
	r.due = nil
	return r.engine.Ping(ctx)
}

// hangUpWait is for how long a connection that another database needs is waited for to end.
const hangUpWait = 2 * time.Second

// hangUp closes the connection of a database that rests.
func (r *reconciler) hangUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hangUpWait)
	defer cancel()
	_ = r.engine.Close(ctx)
}

func (r *reconciler) Close(ctx context.Context) error {
	r.database.Connected(false)
	defer r.seat.leave()
	if !r.seat.keep() {
		return nil
	}
	return r.engine.Close(ctx)
}
