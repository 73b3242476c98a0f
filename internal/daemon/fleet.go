package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/pg-sync-roles/pg-sync-roles/internal/connect"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/loop"
)

// fleet is the databases of one daemon. One that cannot be opened keeps it from serving the others only where the call itself is wrong: see isFinal.
type fleet struct {
	config  Config
	monitor *monitor
	servers map[string]server // by place
	stop    func()            // ends all loops
	loops   sync.WaitGroup

	mu      sync.Mutex
	members []*member
	opened  bool // one of them, once
}

// server is what the databases of one server share.
type server struct {
	turns turns
	seats *seats
}

// member is a database of a fleet.
type member struct {
	*opener
	first  bool   // it was not tried yet
	remove func() // ends its loop
	lack   error  // why it cannot be opened, where waiting does not help; nil: it can, or it is worth waiting for
	err    error  // what its loop ended with
}

func newFleet(config Config, monitor *monitor, stop func()) *fleet {
	return &fleet{config: config, monitor: monitor, servers: map[string]server{}, stop: stop}
}

// add adds a database, under a name that no other has. Those of one server take turns to be opened, and share its connections; those of another that does
// not answer wait by themselves.
func (f *fleet) add(name string, source connect.Source, at place) *member {
	m := &member{opener: &opener{Config: f.config, source: source, place: at, database: f.monitor.add(name, source, at)}, first: true}
	m.Engine.Log, m.Engine.Observe = at.log(f.config.Engine.Log), m.database.Observe
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.servers[at.server()]; !known {
		f.servers[at.server()] = server{newTurns(), newSeats(workingConnections)}
	}
	m.turns, m.seats = f.servers[at.server()].turns, f.servers[at.server()].seats
	f.members = append(f.members, m)
	return m
}

// start serves databases until the context ends, each. They are all added before: what is said of one may depend on how the others are.
func (f *fleet) start(ctx context.Context, list []*member) {
	for _, m := range list {
		ctx, remove := context.WithCancel(ctx)
		m.remove = remove
		f.loops.Go(func() {
			defer remove()
			if m.err = f.serve(ctx, m); m.err != nil {
				f.stop()
			}
		})
	}
}

// drop ends the loop of a database. It does not wait for that.
func (f *fleet) drop(ctx context.Context, m *member) {
	f.monitor.remove(ctx, m.database)
	m.remove()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.members = slices.DeleteFunc(f.members, func(other *member) bool { return other == m })
}

// wait waits until all loops have ended. An error is why it is in vain to go on.
func (f *fleet) wait() error {
	f.loops.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, m := range f.members {
		err := m.err
		if f.inVain() {
			err = m.lack
		}
		if err != nil && len(f.members) > 1 {
			err = fmt.Errorf("database %q: %w", m.place.Database, err)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// serve runs the loop of one database.
func (f *fleet) serve(ctx context.Context, m *member) error {
	log, database := m.Engine.Log, m.database
	err := loop.Run(ctx, loop.Config{
		Open: func(ctx context.Context) (loop.Reconciler, error) {
			r, err := m.open(ctx)
			if err != nil && ctx.Err() == nil {
				database.Unavailable(inShort(err))
			}
			if err == nil {
				f.note(m, nil)
			}
			return r, err
		},
		GiveUp: func(err error) bool {
			final := isFinal(err, m.first, m.loggedIn.Load())
			m.first = false
			return final || f.note(m, err)
		},
		Connect:        m.listen,
		RescanInterval: m.RescanInterval,
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
func (f *fleet) note(m *member, err error) (inVain bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m.lack = nil
	if err != nil && needsHelp(err) {
		m.lack = err
	}
	f.opened = f.opened || err == nil
	return f.inVain()
}

// inVain reports whether no database was ever served, and none is worth waiting for.
func (f *fleet) inVain() bool {
	return !f.opened && !slices.ContainsFunc(f.members, func(m *member) bool { return m.lack == nil })
}
