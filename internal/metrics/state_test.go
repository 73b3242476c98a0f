package metrics_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/internal/metrics"
)

// A daemon is ready when each of its databases is connected, and all roles were inspected not long ago. What is missing is said
// for each database.
func TestReadiness(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := metrics.New("test", zerolog.Nop())
		warehouse, crm := m.Database("warehouse", time.Minute, nowhere), m.Database("crm", time.Hour, nowhere)
		expect := func(when string, code int, body string) {
			t.Helper()
			w := get(t, m, "/readyz")
			if w.Code != code || w.Body.String() != body {
				t.Errorf("%s: %d %q, want %d %q", when, w.Code, w.Body, code, body)
			}
		}
		const nothing = "not connected; not all roles were inspected yet"
		expect("at the start", 503, fmt.Sprintf("database \"warehouse\": %s\ndatabase \"crm\": %[1]s\n", nothing))
		warehouse.Connected(true)
		expect("when one is connected", 503, fmt.Sprintf("database \"warehouse\": not all roles were inspected yet\ndatabase \"crm\": %s\n", nothing))
		crm.Connected(true)
		crm.Rescanned()
		expect("when the other was inspected", 503, "database \"warehouse\": not all roles were inspected yet\n")
		warehouse.Rescanned()
		expect("when all were inspected", 200, "ok\n")

		<-time.After(3 * time.Minute)
		expect("after three intervals", 200, "ok\n")
		<-time.After(time.Second)
		expect("after more than three", 503, "database \"warehouse\": all roles were last inspected 3m1s ago, which should be every 1m0s\n")
		warehouse.Rescanned()
		expect("after another look", 200, "ok\n")

		crm.Connected(false)
		expect("when a connection is lost", 503, "database \"crm\": not connected\n")
		crm.Connected(true)
		expect("when it stands again", 200, "ok\n")
		if code := get(t, m, "/healthz").Code; code != 200 {
			t.Errorf("/healthz is %d", code)
		}
	})
}

// A connection is lost when it stood before, and only once.
func TestConnection(t *testing.T) {
	t.Parallel()
	m := metrics.New("test", zerolog.Nop())
	d := m.Database("db", time.Minute, nowhere)
	expect := func(connected, listening, losses string) {
		t.Helper()
		scrape(t, m).want(t, map[string]string{
			`connected{database="db"}`: connected, `listening{database="db"}`: listening, `connection_losses_total{database="db"}`: losses,
		})
	}
	d.Connected(false) // the first attempt
	expect("0", "0", "0")
	d.Connected(true)
	d.Listening(true)
	expect("1", "1", "0")
	d.Connected(false)
	d.Connected(false)
	d.Listening(false)
	expect("0", "0", "1")
	d.Connected(true)
	d.Connected(false)
	expect("0", "0", "2")
}

// When all roles were inspected is told as a Unix time, and how often.
func TestLooked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := metrics.New("test", zerolog.Nop())
		d := m.Database("db", time.Minute, nowhere)
		<-time.After(1500 * time.Millisecond)
		d.Rescanned()
		d.Rescanned()
		scrape(t, m).want(t, map[string]string{ // synctest's clock begins with the year 2000
			`last_rescan_timestamp_seconds{database="db"}`: "9.466848015e+08", `rescans_total{database="db"}`: "2",
		})
	})
}
