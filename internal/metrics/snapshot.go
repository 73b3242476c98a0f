package metrics

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// statuses are those of sync_roles.role_status.
var statuses = []string{"in_sync", "pending", "waiting", "refused", "blocked", "failed", "held"}

// snapshot is the state of the databases for one scrape, by name; nil for a database that could not be asked. It is a prometheus.Collector.
type snapshot map[string]*databaseState

// polledAtOnce is how many connections a scrape has. Those of so few databases are kept for the next one; a server has not one to spare for each of many.
const polledAtOnce = 4

// ask asks all databases, some at a time.
func (m *Metrics) ask(ctx context.Context) snapshot {
	databases := m.all()
	list := make([]*databaseState, len(databases))
	turns := make(chan struct{}, polledAtOnce)
	var wg sync.WaitGroup
	for i, d := range databases {
		turns <- struct{}{} // each answers or gives up within the context
		wg.Go(func() {
			defer func() { <-turns }()
			list[i], _ = d.ask(ctx) // the log has the error
			if len(databases) > polledAtOnce {
				d.close(ctx)
			}
		})
	}
	wg.Wait()
	all := snapshot{}
	for i, d := range databases {
		all[d.name] = list[i]
	}
	return all
}

var (
	scrapeOK      = description("scrape_ok", "Whether the database could be asked for this scrape. If not, the series that it knows are left out: pending, pending_oldest_age_seconds, retries_waiting, violations, roles.")
	pending       = description("pending", "Requests in the queue, sync_roles.pending.")
	pendingOldest = description("pending_oldest_age_seconds", "How long ago the transaction of the oldest of them began; 0 if there is none.")
	retries       = description("retries_waiting", "Roles whose last pass failed and that will be tried again, sync_roles.retries.")
	violations    = description("violations", "Violations of the rules in sync_roles.forbidden, as the last rescan found them.")
	roles         = description("roles", "Managed roles, by their status in sync_roles.role_status; up to 10 s old.", "status")
)

func description(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prefix+name, help, append([]string{"database"}, labels...), nil)
}

// Describe implements prometheus.Collector.
func (snapshot) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{scrapeOK, pending, pendingOldest, retries, violations, roles} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (all snapshot) Collect(to chan<- prometheus.Metric) {
	for name, got := range all {
		gauge := func(d *prometheus.Desc, value float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{name}, labels...)...)
		}
		gauge(scrapeOK, number(got != nil))
		if got == nil {
			continue
		}
		gauge(pending, float64(got.Pending))
		gauge(pendingOldest, got.PendingOldest)
		gauge(retries, float64(got.Retries))
		gauge(violations, float64(got.Violations))
		for _, status := range statuses {
			gauge(roles, float64(got.roles[status]), status)
		}
	}
}
