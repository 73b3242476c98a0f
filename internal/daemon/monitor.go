package daemon

import (
	"context"
	"fmt"
	"net"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/internal/connect"
	"github.com/pg-sync-roles/pg-sync-roles/internal/metrics"
)

// monitor keeps the metrics of all databases, and answers monitoring where it has an address.
type monitor struct {
	config   Config
	metrics  *metrics.Metrics
	listener net.Listener // nil: nothing is served
}

// newMonitor takes the address, if there is one.
func newMonitor(ctx context.Context, config Config) (*monitor, error) {
	log := config.Engine.Log
	m := &monitor{config: config, metrics: metrics.New(config.Version, log)}
	if config.ListenAddress == "" {
		return m, nil
	}
	listener, err := metrics.Listen(ctx, config.ListenAddress)
	if err != nil {
		return nil, err
	}
	m.listener = listener
	log.Info().Str("address", listener.Addr().String()).Msg("serving /healthz, /readyz and /metrics")
	return m, nil
}

// serve answers until the context ends.
func (m *monitor) serve(ctx context.Context) error {
	if m.listener == nil {
		return nil
	}
	return m.metrics.Serve(ctx, m.listener)
}

// add adds a database, under a name that no other has.
func (m *monitor) add(name string, source connect.Source, at place) *metrics.Database {
	database := m.metrics.Database(name, m.config.RescanInterval, monitorConnection(source))
	database.LogTo(at.log(m.config.Engine.Log))
	return database
}

func (m *monitor) remove(ctx context.Context, database *metrics.Database) {
	m.metrics.Remove(ctx, database)
}

// monitorConnection returns what opens the connection on which a database is asked how it is. It changes nothing, and a query that no caller
// waits for any more does not go on for long.
func monitorConnection(source connect.Source) func(context.Context) (*pgx.Conn, error) {
	return func(ctx context.Context) (*pgx.Conn, error) {
		config, err := parse(source)
		if err != nil {
			return nil, err
		}
		params := config.RuntimeParams
		params["application_name"] = "pg-sync-roles metrics"
		params["default_transaction_read_only"] = "on"
		params["statement_timeout"] = "5s"
		params["jit"] = "off"
		return catalog.Connect(ctx, config)
	}
}

// namesOf tells databases apart: by their names, where these are the same also by their servers, and where the user gave
// the same one twice also by a number.
func namesOf(places []place) []string {
	names := make([]string, len(places))
	for i, p := range places {
		names[i] = p.Database
	}
	names = clarified(names, func(i int) string { return places[i].server() + "/" + names[i] })
	return clarified(names, func(i int) string { return fmt.Sprintf("%s#%d", names[i], i+1) })
}

// clarified replaces names that are there more than once.
func clarified(names []string, longer func(i int) string) []string {
	times := map[string]int{}
	for _, name := range names {
		times[name]++
	}
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = name
		if times[name] > 1 {
			list[i] = longer(i)
		}
	}
	return list
}
