package daemon

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/internal/connect"
	"github.com/pg-sync-roles/pg-sync-roles/internal/metrics"
	"github.com/pg-sync-roles/pg-sync-roles/internal/page"
)

// monitor keeps the metrics of all databases, and answers monitoring, and people who look at the page, where it has an address.
type monitor struct {
	config   Config
	metrics  *metrics.Metrics
	listener net.Listener // nil: nothing is served
	page     *page.Page   // nil: there is none
	pages    page.Databases

	mu    sync.Mutex
	shown map[*metrics.Database]*page.Database
}

// newMonitor takes the address, if there is one.
func newMonitor(ctx context.Context, config Config) (*monitor, error) {
	log := config.Engine.Log
	m := &monitor{config: config, metrics: metrics.New(config.Version, log), shown: map[*metrics.Database]*page.Database{}}
	if config.ListenAddress == "" {
		return m, nil
	}
	encryption, err := tlsOf(config.TLSCert, config.TLSKey)
	if err != nil {
		return nil, err
	}
	listener, err := metrics.Listen(ctx, config.ListenAddress)
	if err != nil {
		return nil, err
	}
	log.Info().Str("address", listener.Addr().String()).Bool("tls", encryption != nil).Msg("serving /healthz, /readyz and /metrics")
	if config.UI {
		m.page = newPage(listener.Addr(), encryption != nil, log, &m.pages)
		log.Info().Str("address", listener.Addr().String()).Bool("tls", encryption != nil).Msg("serving the page")
	}
	if m.listener = listener; encryption != nil {
		m.listener = tls.NewListener(listener, encryption)
	}
	return m, nil
}

// serve answers until the context ends.
func (m *monitor) serve(ctx context.Context) error {
	if m.listener == nil {
		return nil
	}
	if m.page == nil {
		return m.metrics.Serve(ctx, m.listener, nil)
	}
	return m.metrics.Serve(ctx, m.listener, m.page)
}

// add adds a database, under a name that no other has.
func (m *monitor) add(name string, source connect.Source, at place) *metrics.Database {
	database := m.metrics.Database(name, m.config.RescanInterval, monitorConnection(source))
	database.LogTo(at.log(m.config.Engine.Log))
	shown := &page.Database{Name: name, Configure: func() (*pgx.ConnConfig, error) { return parse(source) }}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shown[database] = shown
	m.pages.Add(shown)
	return database
}

func (m *monitor) remove(ctx context.Context, database *metrics.Database) {
	m.metrics.Remove(ctx, database)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pages.Remove(m.shown[database])
	delete(m.shown, database)
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
