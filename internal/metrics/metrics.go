// Package metrics tells monitoring how the daemon is: whether it runs, whether it is of use, and what it did, for Prometheus.
package metrics

import (
	"context"
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
	registry  *prometheus.Registry // what is counted here; what is read from the databases is asked for at each scrape
	databases []*Database
	log       zerolog.Logger
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
//
// All databases are added before anything is served.
func (m *Metrics) Database(name string, interval time.Duration, connect func(context.Context) (*pgx.Conn, error)) *Database {
	d := &Database{
		name:   name,
		series: newSeries(prometheus.WrapRegistererWith(prometheus.Labels{"database": name}, m.registry)),
		state:  state{interval: interval},
		poller: newPoller(connect, m.log.With().Str("database", name).Logger()),
	}
	m.databases = append(m.databases, d)
	return d
}
