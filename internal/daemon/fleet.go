package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/loop"
)

// fleet is the databases of one daemon. One that cannot be opened keeps it from serving the others only where the call itself is wrong: see isFinal.
type fleet struct {
	openers []*opener

	mu    sync.Mutex
	lacks []error // why each database cannot be opened, where waiting does not help; nil: it can, or it is worth waiting for
}

// newFleet lets the databases of one server take turns to be opened; those of another that does not answer wait by themselves.
func newFleet(openers []*opener) *fleet {
	turns := map[string]turns{}
	for _, o := range openers {
		server := o.place.server()
		if turns[server] == nil {
			turns[server] = newTurns()
		}
		o.turns = turns[server]
	}
	return &fleet{openers: openers, lacks: make([]error, len(openers))}
}

// run serves all databases until the context ends, or until it is in vain.
func (f *fleet) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, len(f.openers))
	var wg sync.WaitGroup
	for i := range f.openers {
		wg.Go(func() {
			if errs[i] = f.serve(ctx, i); errs[i] != nil {
				stop()
			}
		})
	}
	wg.Wait()
	if !slices.Contains(f.lacks, nil) {
		errs = f.lacks
	}
	if len(errs) > 1 {
		for i, err := range errs {
			if err != nil {
				errs[i] = fmt.Errorf("database %q: %w", f.openers[i].place.Database, err)
			}
		}
	}
	return errors.Join(errs...)
}

// serve runs the loop of one database.
func (f *fleet) serve(ctx context.Context, i int) error {
	o := f.openers[i]
	log, database := o.Engine.Log, o.database
	first := true
	err := loop.Run(ctx, loop.Config{
		Open: func(ctx context.Context) (loop.Reconciler, error) {
			r, err := o.open(ctx)
			if err != nil && ctx.Err() == nil {
				database.Unavailable(inShort(err))
			}
			if err == nil {
				f.note(i, nil)
			}
			return r, err
		},
		GiveUp: func(err error) bool {
			final := isFinal(err, first, o.loggedIn.Load())
			first = false
			return final || f.note(i, err)
		},
		Connect:        o.listen,
		RescanInterval: o.RescanInterval,
		Log:            log,
		Listening: func() {
			log.Info().Msg("listening")
			database.Listening(true)
		},
		Interrupted: func() { database.Listening(false) },
	})
	if ctx.Err() != nil {
		log.Info().Msg("stopped")
		return nil //nolint:nilerr // told to stop
	}
	return err
}

// note remembers how opening a database ended, and reports whether none can be served, nor is worth waiting for.
func (f *fleet) note(i int, err error) (inVain bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lacks[i] = nil
	if err != nil && needsHelp(err) {
		f.lacks[i] = err
	}
	return !slices.Contains(f.lacks, nil)
}
