package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// What the labels can be. A series that appears only when something happens for the first time hides that it did: rates need
// a zero to begin with.
var (
	causes   = []audit.Cause{audit.Notify, audit.Rescan, audit.Startup, audit.Retry, audit.Expiry, audit.DDL, audit.Manual}
	outcomes = []plan.Outcome{plan.Unchanged, plan.Applied, plan.Waiting, plan.Refused, plan.Blocked, plan.Held, plan.Failed}
)

const (
	resultOK     = "ok"
	resultFailed = "failed"
)

// seconds are the buckets for what takes a millisecond when all is well, and a minute when a statement times out.
var seconds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// series is what the daemon counts for one database.
type series struct {
	passes                           *prometheus.CounterVec // by cause and result
	outcomes                         *prometheus.CounterVec // by outcome
	duration, lockWait               prometheus.Histogram
	granted, revoked, statements     prometheus.Counter
	retries, rescans, sessions       prometheus.Counter
	losses, failures                 prometheus.Counter
	lastRescan, connected, listening prometheus.Gauge
}

// newSeries makes all series, with zeros.
func newSeries(registry prometheus.Registerer) series {
	factory := promauto.With(registry)
	counter := func(name, help string) prometheus.Counter {
		return factory.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return factory.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return factory.NewGauge(prometheus.GaugeOpts{Name: prefix + name, Help: help})
	}
	histogram := func(name, help string) prometheus.Histogram {
		return factory.NewHistogram(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: seconds})
	}
	s := series{
		passes:     counters("passes_total", "Passes, which are transactions that look at roles and change what differs. One that failed was rolled back.", "cause", "result"),
		outcomes:   counters("outcomes_total", "How passes ended for roles: the rows written to sync_roles.audit.", "outcome"),
		duration:   histogram("pass_duration_seconds", "How long passes took, with the wait for the lock."),
		lockWait:   histogram("lock_wait_seconds", "How long passes waited for the lock that all daemons of a cluster share."),
		granted:    counter("granted_total", "Privileges, memberships, ownerships and attributes given."),
		revoked:    counter("revoked_total", "Privileges, memberships, ownerships and attributes revoked."),
		statements: counter("statements_total", "Statements that passes ran to change something."),
		retries:    counter("retries_total", "Roles tried again after a failure: the rows written to sync_roles.audit with an attempt above 1."),
		sessions:   counter("sessions_ended_total", "Sessions ended that still had what was taken from their role."),
		rescans:    counter("rescans_total", "Looks at all roles that ended without an error."),
		lastRescan: gauge("last_rescan_timestamp_seconds", "When the last of them ended; 0 if none did yet."),
		connected:  gauge("connected", "Whether the working connection stands."),
		losses:     counter("connection_losses_total", "How often the working connection was lost."),
		failures:   counter("connection_failures_total", "How often the working connection could not be opened."),
		listening:  gauge("listening", "Whether notifications are heard. Without them, changes wait for the next rescan."),
	}
	for _, cause := range causes {
		s.passes.WithLabelValues(string(cause), resultOK)
		s.passes.WithLabelValues(string(cause), resultFailed)
	}
	for _, outcome := range outcomes {
		s.outcomes.WithLabelValues(string(outcome))
	}
	return s
}
