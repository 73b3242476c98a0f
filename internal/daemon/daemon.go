// Package daemon keeps the roles of databases as desired until it is told to stop: for each database the loop, its engine, the schema, the audit's retention
// and the metrics.
package daemon

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/internal/connect"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// Config is what a daemon does for each of its databases.
type Config struct {
	Engine         reconcile.Config
	Policy         audit.StoredPolicy // as Engine.Policy, in the words of the command line: for the commands that obey it too
	RescanInterval time.Duration
	Migrate        bool          // install and upgrade the schema
	Retention      time.Duration // of the audit; 0: for ever
	ListenAddress  string        // to serve /healthz, /readyz and /metrics on; empty: off
	UI             bool          // serve the page there, too
	TLSCert        string        // files of the certificate and the key for it; empty: plain HTTP
	TLSKey         string
	Version        string   // for the metrics
	Databases      []string // patterns of the databases to serve, as LIKE has them, now and later; empty: those of the sources
}

// Defaults of the options, for the daemon, the demo and the commands alike.
const (
	RescanInterval   = time.Minute
	Retention        = 400 * 24 * time.Hour
	LockTimeout      = 5 * time.Second
	StatementTimeout = time.Minute
	PruneAfter       = time.Hour
)

// DefaultPolicy is the policy of a daemon that is started without options.
func DefaultPolicy() plan.Policy {
	return plan.Policy{
		MaxDirectGrantees:   500,
		PruneEmptyAfterSecs: int64(PruneAfter / time.Second),
		Limit:               plan.Limit{Revokes: 500, Percent: 25, Window: time.Minute},
	}
}

// CallError is an error of the call itself: a connection string that cannot be read.
type CallError struct{ error }

func (e CallError) Unwrap() error { return e.error }

// Run serves these databases, and the requests of monitoring, until the context ends or until waiting is in vain. With Config.Databases there is one source, of
// a connection to any database of the server.
func Run(ctx context.Context, sources []connect.Source, config Config) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	places, err := placesOf(sources)
	if err != nil {
		return err
	}
	monitor, err := newMonitor(ctx, config)
	if err != nil {
		return err
	}
	fleet := newFleet(config, monitor, stop)
	var served, found error
	var wg sync.WaitGroup
	wg.Go(func() {
		if served = monitor.serve(ctx); served != nil {
			stop()
		}
	})
	if len(config.Databases) > 0 {
		discovery := &discovery{config: config, source: sources[0], fleet: fleet, members: map[uint32]*member{}}
		if found = discovery.run(ctx); found != nil {
			stop()
		}
	} else {
		for i, name := range namesOf(places) {
			fleet.add(name, sources[i], places[i])
		}
		fleet.start(ctx, fleet.members)
	}
	err = fleet.wait()
	stop()
	wg.Wait()
	return errors.Join(served, found, err)
}
