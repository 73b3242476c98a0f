// Package metrics tells monitoring how the daemon is: whether it runs, whether it is of use, and what it did, for Prometheus.
package metrics

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/rs/zerolog"
)

// prefix is what the names of all series of ours begin with.
const prefix = "pg_sync_roles_"

// Metrics is what a process tells.
type Metrics struct {
	registry *prometheus.Registry // of the process; each database has its own
	log      zerolog.Logger

	mu        sync.Mutex
	databases []*Database
	unlisted  string // why the server's databases cannot be listed; empty: they can, or need not be
}

// New returns the metrics of a process that works for no database yet. The log is told why a database cannot be asked.
func New(version string, log zerolog.Logger) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), log: log}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	promauto.With(m.registry).NewGauge(prometheus.GaugeOpts{
		Name: prefix + "build_info", Help: "Always 1; the label is the program's version.", ConstLabels: prometheus.Labels{"version": version},
	}).Set(1)
	return m
}

// Database adds a database that the daemon works for, under a name that no other has, in valid UTF-8. All its series are there
// from now on. What only the database knows is read over a connection of its own, which connect opens when it is needed.
func (m *Metrics) Database(name string, interval time.Duration, connect func(context.Context) (*pgx.Conn, error)) *Database {
	registry := prometheus.NewRegistry()
	d := &Database{
		name:     name,
		registry: registry,
		series:   newSeries(prometheus.WrapRegistererWith(prometheus.Labels{"database": name}, registry)),
		state:    state{interval: interval},
		poller:   newPoller(connect, m.log.With().Str("database", name).Logger()),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.databases = append(m.databases, d)
	return d
}

// Remove takes a database out, with all its series.
func (m *Metrics) Remove(ctx context.Context, d *Database) {
	m.mu.Lock()
	m.databases = slices.DeleteFunc(m.databases, func(other *Database) bool { return other == d })
	m.mu.Unlock()
	d.close(ctx)
}

// Unlisted says that the server's databases cannot be listed, and why, in words for whoever can reach the address; empty: they were.
func (m *Metrics) Unlisted(reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unlisted = reason
}

// listed says why the server's databases cannot be listed; empty if they can.
func (m *Metrics) listed() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.unlisted
}

// all are the databases as they are now.
func (m *Metrics) all() []*Database {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.databases)
}

// gatherers have the series that this process counts.
func (m *Metrics) gatherers() prometheus.Gatherers {
	list := prometheus.Gatherers{m.registry}
	for _, d := range m.all() {
		list = append(list, d.registry)
	}
	return list
}
