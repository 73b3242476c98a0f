package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
)

// Database is one of the databases that the daemon works for. Its methods may be called by any goroutine.
type Database struct {
	name     string
	registry *prometheus.Registry
	series
	state
	poller
}

// Observe counts a pass, or the record of one that failed.
func (d *Database) Observe(o reconcile.Observation) {
	if o.Duration > 0 {
		d.pass(o)
		if o.Err != nil {
			return // what it did and wrote was rolled back
		}
	}
	d.statements.Add(float64(o.Statements))
	d.sessions.Add(float64(o.Ended))
	for _, row := range o.Rows {
		d.outcomes.WithLabelValues(string(row.Outcome)).Inc()
		d.granted.Add(float64(row.Granted))
		d.revoked.Add(float64(row.Revoked))
		if row.Attempt > 1 {
			d.retries.Inc()
		}
	}
}

// LogTo tells the database's own log why it cannot be asked.
func (d *Database) LogTo(log zerolog.Logger) {
	d.turn <- struct{}{}
	d.log = log
	<-d.turn
}

func (d *Database) pass(o reconcile.Observation) {
	result := resultOK
	if o.Err != nil {
		result = resultFailed
	}
	d.passes.WithLabelValues(string(o.Cause), result).Inc()
	d.duration.Observe(o.Duration.Seconds())
	waited := o.LockWait
	if waited == 0 {
		waited = o.Duration // it did not get the lock, and did nothing else than wait
	}
	d.lockWait.Observe(waited.Seconds())
}

// Unavailable says that the working connection could not be opened, and why, in words for whoever can reach the address.
func (d *Database) Unavailable(reason string) {
	d.fail(reason)
	d.failures.Inc()
}

// Connected says that the working connection stands, with the schema found in order, or that it is lost.
func (d *Database) Connected(ok bool) {
	if lost := d.connect(ok); lost {
		d.losses.Inc()
	}
	d.connected.Set(number(ok))
}

// Listening says that notifications are heard, or that they are not.
func (d *Database) Listening(ok bool) { d.listening.Set(number(ok)) }

// Rescanned says that all roles were inspected, without an error.
func (d *Database) Rescanned() {
	at := d.rescan()
	d.rescans.Inc()
	d.lastRescan.Set(float64(at.UnixNano()) / 1e9)
}

func number(ok bool) float64 {
	if ok {
		return 1
	}
	return 0
}
