package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/pg-sync-roles/pg-sync-roles/internal/connect"
	"github.com/pg-sync-roles/pg-sync-roles/internal/metrics"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/loop"
)

func runCommand() *cobra.Command {
	var urls, files []string
	var o engineOptions
	var interval time.Duration
	var noMigrate bool
	retention := days(400 * 24 * time.Hour)
	var listenAddress string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "The daemon: keep roles as desired until told to stop",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := o.config(cmd)
			if err != nil {
				return err
			}
			if interval < time.Second {
				return usageError{fmt.Errorf("--rescan-interval %s: must be at least 1s", interval)}
			}
			if err := checkListenAddress(listenAddress); err != nil {
				return err
			}
			databases, err := sources(cmd.Flags(), urls, files)
			if err != nil {
				return err
			}
			for _, source := range databases {
				_, warnings, err := source.Config()
				if err != nil {
					return usageError{err}
				}
				for _, warning := range warnings {
					config.Log.Warn().Msg(warning)
				}
			}
			d := daemon{config: config, policy: policyOf(cmd.Flags()), interval: interval, migrate: !noMigrate, retention: time.Duration(retention)}
			return runAll(cmd.Context(), databases, d, listenAddress)
		},
	}
	cmd.Flags().StringArrayVar(&files, fileFlag, nil, fileHelp+" (may be repeated)")
	cmd.Flags().StringArrayVarP(&urls, urlFlag, "d", nil, "connection URL or keyword/value string; may be repeated, one loop for each database (default: libpq's environment)")
	cmd.Flags().DurationVar(&interval, "rescan-interval", time.Minute, "how often every role is looked at")
	cmd.Flags().BoolVar(&noMigrate, "no-migrate", false, "do not install or upgrade the schema first")
	cmd.Flags().Var(&retention, "audit-retention", "how long rows of the audit and rescans are kept; 0: for ever")
	cmd.Flags().StringVar(&listenAddress, "listen-address", "", "host:port to serve /healthz, /readyz and /metrics on (default: off)")
	o.flags(cmd, "info")
	return cmd
}

// daemon is what a daemon does for each database.
type daemon struct {
	config    reconcile.Config
	policy    audit.StoredPolicy // as config has it
	interval  time.Duration
	migrate   bool
	retention time.Duration // of the audit; 0: for ever
}

// runAll serves these databases, and what monitoring asks.
func runAll(ctx context.Context, sources []connect.Source, d daemon, listenAddress string) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	places, err := placesOf(sources)
	if err != nil {
		return err
	}
	databases, serve, err := monitor(ctx, sources, places, d.config.Log, d.interval, listenAddress)
	if err != nil {
		return err
	}
	openers := make([]*opener, len(sources))
	for i, source := range sources {
		openers[i] = &opener{source: source, place: places[i], daemon: d, database: databases[i]}
		openers[i].config.Log, openers[i].config.Observe = places[i].log(d.config.Log), databases[i].Observe
	}
	var served, monitored error
	var wg sync.WaitGroup
	wg.Go(func() {
		if monitored = serve(); monitored != nil {
			stop()
		}
	})
	wg.Go(func() {
		if served = newFleet(openers).run(ctx); served != nil {
			stop()
		}
	})
	wg.Wait()
	return errors.Join(served, monitored)
}

// reconciler is what the loop sees of an engine.
type reconciler struct {
	engine    *reconcile.Engine
	database  *metrics.Database
	retention time.Duration
	tended    time.Time // when nothing old was left in the audit
}

func (r *reconciler) Pending(ctx context.Context) error {
	_, err := r.engine.Pending(ctx, audit.Notify)
	return err
}

func (r *reconciler) Retries(ctx context.Context) error {
	_, err := r.engine.Retries(ctx)
	return err
}

func (r *reconciler) Expired(ctx context.Context) error {
	_, err := r.engine.Expired(ctx)
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
	r.database.Looked()
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
