package bench

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/loop"
)

// startDaemon runs the loop of a daemon in a database. It returns once notifications are heard.
func (f *fleet) startDaemon(tb testing.TB, database string, engine *reconcile.Engine) (stop func()) {
	tb.Helper()
	listening := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(tb.Context())
	done := make(chan error, 1)
	go func() {
		done <- loop.Run(ctx, loop.Config{
			Open: func(context.Context) (loop.Reconciler, error) { return reconciler{engine}, nil },
			Connect: func(ctx context.Context) (*pgx.Conn, error) {
				return pgx.ConnectConfig(ctx, f.config(tb, "daemon", database))
			},
			RescanInterval: time.Minute,
			Log:            zerolog.Nop(),
			Listening:      func() { listening <- struct{}{} },
		})
	}()
	<-listening
	return func() {
		tb.Helper()
		cancel()
		must(tb, <-done)
	}
}

// reconciler is the engine as the loop wants it.
type reconciler struct{ *reconcile.Engine }

func (r reconciler) ServeQueue(ctx context.Context) (loop.Look, error) {
	report, err := r.Engine.ServeQueue(ctx, audit.Notify)
	return loop.Look{Served: report.Roles > 0, MoreToCome: report.MoreToCome}, err
}

func (r reconciler) ServeRetries(ctx context.Context) error {
	_, err := r.Engine.ServeRetries(ctx)
	return err
}

func (r reconciler) ServeExpired(ctx context.Context) error {
	_, err := r.Engine.ServeExpired(ctx)
	return err
}

func (r reconciler) Rescan(ctx context.Context, _ loop.Occasion) error {
	_, err := r.Engine.Rescan(ctx, audit.Rescan)
	return err
}

// Close leaves the engine open: the benchmark uses it after the loop.
func (r reconciler) Close(context.Context) error { return nil }
