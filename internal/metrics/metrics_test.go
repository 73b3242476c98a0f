package metrics_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/internal/metrics"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// nowhere is a server that is not there.
func nowhere(context.Context) (*pgx.Conn, error) { return nil, errors.New("nobody is there") }

// get asks for a path.
func get(tb testing.TB, m *metrics.Metrics, path string) *httptest.ResponseRecorder {
	tb.Helper()
	return request(tb.Context(), m, http.MethodGet, path)
}

func request(ctx context.Context, m *metrics.Metrics, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	m.Handler(nil).ServeHTTP(w, httptest.NewRequestWithContext(ctx, method, path, http.NoBody))
	return w
}

// values are what a scrape says, by series: name{label="…"} without the prefix.
type values map[string]string

func scrape(tb testing.TB, m *metrics.Metrics) values {
	tb.Helper()
	return read(tb, get(tb, m, "/metrics"))
}

func read(tb testing.TB, w *httptest.ResponseRecorder) values {
	tb.Helper()
	if w.Code != http.StatusOK {
		tb.Fatalf("the scrape failed with %d: %s", w.Code, w.Body)
	}
	v := values{}
	for line := range strings.Lines(w.Body.String()) {
		if line, ours := strings.CutPrefix(strings.TrimSpace(line), "pg_sync_roles_"); ours {
			at := strings.LastIndex(line, " ")
			v[line[:at]] = line[at+1:]
		}
	}
	return v
}

// want checks series, which are name and value each; "" for one that must not be there.
func (v values) want(tb testing.TB, series map[string]string) {
	tb.Helper()
	for _, name := range slices.Sorted(maps.Keys(series)) {
		if got := v[name]; got != series[name] {
			tb.Errorf("%s is %q, want %q", name, got, series[name])
		}
	}
}

// All series of a database are there before anything happens, with zeros, so that rates have something to begin with.
func TestSeriesAreThereFromTheStart(t *testing.T) {
	t.Parallel()
	m := metrics.New("v1.2.3", zerolog.Nop())
	m.Database("warehouse", time.Minute, nowhere)
	m.Database("crm", time.Minute, nowhere)
	got := scrape(t, m)
	want := []string{`build_info{version="v1.2.3"}`}
	for _, database := range []string{"crm", "warehouse"} {
		label := `database="` + database + `"`
		for _, name := range []string{
			"granted_total", "revoked_total", "statements_total", "retries_total", "sessions_ended_total", "rescans_total", "connection_losses_total", "connection_failures_total",
			"last_rescan_timestamp_seconds", "connected", "listening", "scrape_ok",
			"pass_duration_seconds_sum", "pass_duration_seconds_count", "lock_wait_seconds_sum", "lock_wait_seconds_count",
		} {
			want = append(want, name+"{"+label+"}")
		}
		for _, cause := range []string{"notify", "rescan", "startup", "retry", "expiry", "ddl", "manual"} {
			for _, result := range []string{"ok", "failed"} {
				want = append(want, `passes_total{cause="`+cause+`",`+label+`,result="`+result+`"}`)
			}
		}
		for _, outcome := range []string{"unchanged", "applied", "waiting", "refused", "blocked", "held", "failed"} {
			want = append(want, `outcomes_total{`+label+`,outcome="`+outcome+`"}`)
		}
		for _, le := range []string{"0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "60", "+Inf"} {
			want = append(want, `pass_duration_seconds_bucket{`+label+`,le="`+le+`"}`, `lock_wait_seconds_bucket{`+label+`,le="`+le+`"}`)
		}
	}
	slices.Sort(want)
	if series := slices.Sorted(maps.Keys(got)); !slices.Equal(series, want) {
		t.Errorf("the series are\n%s\nwant\n%s", strings.Join(series, "\n"), strings.Join(want, "\n"))
	}
	for name, value := range got {
		if value != "0" && !strings.HasPrefix(name, "build_info") {
			t.Errorf("%s is %s before anything has happened", name, value)
		}
	}
	got.want(t, map[string]string{`build_info{version="v1.2.3"}`: "1"})
	for _, name := range []string{"go_goroutines ", "process_start_time_seconds "} {
		if !strings.Contains(get(t, m, "/metrics").Body.String(), "\n"+name) {
			t.Errorf("there is no %s", name)
		}
	}
}

// Passes are counted, and what they did. What a pass that failed did was rolled back, and the record of it is no pass.
func TestObserve(t *testing.T) {
	t.Parallel()
	m := metrics.New("test", zerolog.Nop())
	d := m.Database("db", time.Minute, nowhere)
	m.Database("other", time.Minute, nowhere)
	failure := errors.New("deadlock detected")
	d.Observe(reconcile.Observation{
		Cause: audit.Notify, Statements: 5, LockWait: 2 * time.Millisecond, Duration: 40 * time.Millisecond, Ended: 2,
		Rows: []audit.Row{
			{Outcome: plan.Applied, Granted: 3, Revoked: 1, Attempt: 1},
			{Outcome: plan.Applied, Granted: 4, Attempt: 3},
			{Outcome: plan.Held, Attempt: 1},
		},
	})
	d.Observe(reconcile.Observation{
		Cause: audit.Retry, Statements: 100, LockWait: time.Millisecond, Duration: 2 * time.Second, Err: failure,
		Rows: []audit.Row{{Outcome: plan.Applied, Granted: 100, Revoked: 100, Attempt: 2}},
	})
	d.Observe(reconcile.Observation{Cause: audit.Retry, Err: failure, Rows: []audit.Row{{Outcome: plan.Failed, Attempt: 2}}})
	scrape(t, m).want(t, map[string]string{
		`passes_total{cause="notify",database="db",result="ok"}`:     "1",
		`passes_total{cause="notify",database="db",result="failed"}`: "0",
		`passes_total{cause="retry",database="db",result="ok"}`:      "0",
		`passes_total{cause="retry",database="db",result="failed"}`:  "1",
		`passes_total{cause="notify",database="other",result="ok"}`:  "0",
		`outcomes_total{database="db",outcome="applied"}`:            "2",
		`outcomes_total{database="db",outcome="held"}`:               "1",
		`outcomes_total{database="db",outcome="failed"}`:             "1",
		`outcomes_total{database="db",outcome="waiting"}`:            "0",
		`granted_total{database="db"}`:                               "7",
		`revoked_total{database="db"}`:                               "1",
		`statements_total{database="db"}`:                            "5",
		`retries_total{database="db"}`:                               "2",
		`sessions_ended_total{database="db"}`:                        "2",
		`pass_duration_seconds_count{database="db"}`:                 "2",
		`pass_duration_seconds_sum{database="db"}`:                   "2.04",
		`pass_duration_seconds_bucket{database="db",le="0.05"}`:      "1",
		`lock_wait_seconds_count{database="db"}`:                     "2",
		`lock_wait_seconds_sum{database="db"}`:                       "0.003",
	})
}

// A pass that does not get the lock has waited for as long as it took.
func TestLockNotHad(t *testing.T) {
	t.Parallel()
	m := metrics.New("test", zerolog.Nop())
	m.Database("db", time.Minute, nowhere).Observe(reconcile.Observation{Cause: audit.Rescan, Duration: 5 * time.Second, Err: errors.New("lock timeout")})
	scrape(t, m).want(t, map[string]string{
		`lock_wait_seconds_count{database="db"}`:           "1",
		`lock_wait_seconds_bucket{database="db",le="2.5"}`: "0",
		`lock_wait_seconds_bucket{database="db",le="5"}`:   "1",
	})
}

// The names are what Prometheus asks for, units and help included.
func TestNames(t *testing.T) {
	t.Parallel()
	m, _ := installed(t)
	problems, err := promlint.New(get(t, m, "/metrics").Body).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// Only the three endpoints are there, and only to be read.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	m := metrics.New("test", zerolog.Nop())
	for _, c := range []struct {
		method, path string
		code         int
	}{
		{http.MethodGet, "/healthz", 200},
		{http.MethodHead, "/healthz", 200},
		{http.MethodHead, "/readyz", 200},
		{http.MethodHead, "/metrics", 200},
		{http.MethodPost, "/metrics", 405},
		{http.MethodDelete, "/healthz", 405},
		{http.MethodOptions, "/readyz", 405},
		{http.MethodGet, "/", 404},
		{http.MethodGet, "/metrics/", 404},
		{http.MethodGet, "/debug/pprof/", 404},
		{http.MethodPost, "/elsewhere", 404},
	} {
		w := request(t.Context(), m, c.method, c.path)
		if w.Code != c.code {
			t.Errorf("%s %s is %d, want %d", c.method, c.path, w.Code, c.code)
		}
		if c.code == 405 && w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s %s allows %q", c.method, c.path, w.Header().Get("Allow"))
		}
	}
	if body := get(t, m, "/healthz").Body.String(); body != "ok\n" {
		t.Errorf("/healthz says %q", body)
	}
}
