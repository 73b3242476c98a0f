package metrics

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// scrapeTimeout is how long the databases have to answer, all together. Prometheus itself waits for 10 s.
const scrapeTimeout = 5 * time.Second

// Handler answers /healthz, /readyz and /metrics, to GET and HEAD. All else the other handler answers, if there is one.
func (m *Metrics) Handler(other http.Handler) http.Handler {
	mux := http.NewServeMux()
	if other != nil {
		mux.Handle("/", other)
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { respond(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", m.readiness)
	mux.HandleFunc("GET /metrics", m.scrape)
	return mux
}

// readiness says whether all databases are served, with a line for each that is not.
func (m *Metrics) readiness(w http.ResponseWriter, _ *http.Request) {
	var lines []string
	if reason := m.listed(); reason != "" {
		lines = append(lines, "the databases of the server cannot be listed: "+reason)
	}
	for _, d := range m.all() {
		if missing := d.missing(); missing != "" {
			lines = append(lines, fmt.Sprintf("database %q: %s", d.name, missing))
		}
	}
	if len(lines) > 0 {
		respond(w, http.StatusServiceUnavailable, strings.Join(lines, "\n"))
		return
	}
	respond(w, http.StatusOK, "ok")
}

func respond(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}

// scrape says what was counted, and what the databases say now.
func (m *Metrics) scrape(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), scrapeTimeout)
	defer cancel()
	answered := prometheus.NewRegistry()
	answered.MustRegister(m.ask(ctx))
	// What can be told is told, whatever else fails.
	options := promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}
	promhttp.HandlerFor(append(m.gatherers(), answered), options).ServeHTTP(w, r)
}
