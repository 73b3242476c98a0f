package cli_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/cli"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// A monitored is a daemon that serves its metrics.
type monitored struct {
	url  string
	conn *pgx.Conn // to wait on
	stop func()
}

// monitor runs a daemon until it is stopped or the test ends, and reads from its log where it serves.
func monitor(tb testing.TB, conn *pgx.Conn, args ...string) monitored {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	r, w := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		defer func() { _ = w.Close() }()
		ended <- cli.Run(ctx, append([]string{"run", "--lock-timeout", "1m", "--listen-address", "127.0.0.1:0"}, args...), strings.NewReader(""), io.Discard, w)
	}()
	stop := sync.OnceFunc(func() {
		cancel()
		if code := <-ended; code != 0 {
			tb.Errorf("the daemon ended with %d", code)
		}
	})
	tb.Cleanup(stop)
	log := bufio.NewScanner(r)
	for log.Scan() {
		var line struct{ Message, Address string }
		if json.Unmarshal(log.Bytes(), &line) == nil && line.Address != "" {
			go func() { _, _ = io.Copy(io.Discard, r) }()
			return monitored{"http://" + line.Address, conn, stop}
		}
	}
	tb.Fatalf("the daemon ended before it served: %v", log.Err())
	return monitored{}
}

func (m monitored) get(tb testing.TB, path string) (status int, body string) {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, m.url+path, http.NoBody)
	if err != nil {
		tb.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// until asks again and again, until the answer has all of the words.
func (m monitored) until(tb testing.TB, path string, words ...string) {
	tb.Helper()
	var body, missing string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		_, body = m.get(tb, path)
		missing = ""
		for _, word := range words {
			if !strings.Contains(body, word) {
				missing = word
			}
		}
		if missing == "" {
			return
		}
		exec(tb, m.conn, "select pg_sleep(0.01)")
	}
	tb.Fatalf("%s never has %q:\n%s", path, missing, body)
}

// A daemon that was asked to tells how it is: what it did, that it lost its server, and that it has it again.
func TestMonitoring(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice := env.Role("alice")
	give(t, env, conn, alice)
	m := monitor(t, conn, "-d", env.URL(env.Daemon), "--rescan-interval", "1s")
	exec(t, conn, "select sync_roles.wait_for_sync($1)", alice)
	m.until(t, "/readyz", "ok\n")
	if status, body := m.get(t, "/healthz"); status != 200 || body != "ok\n" {
		t.Errorf("/healthz is %d %q", status, body)
	}
	granted := pgtest.One[int](t, conn, "select sum(granted)::int from sync_roles.audit")
	if granted < 4 {
		t.Errorf("the audit says that %d privileges and attributes were granted", granted)
	}
	series := func(name, labels string, value int) string {
		return fmt.Sprintf("\npg_sync_roles_%s{database=%q%s} %d\n", name, env.Database, labels, value)
	}
	m.until(t, "/metrics",
		series("connected", "", 1), series("listening", "", 1), series("connection_losses_total", "", 0), series("granted_total", "", granted),
		series("outcomes_total", `,outcome="applied"`, 1), series("scrape_ok", "", 1), series("roles", `,status="in_sync"`, 1))
	for _, never := range []string{series("rescans_total", "", 0), series("statements_total", "", 0), series("pass_duration_seconds_count", "", 0)} {
		if _, body := m.get(t, "/metrics"); strings.Contains(body, never) {
			t.Errorf("there is still %s", never)
		}
	}

	env.Exec(t, "alter role "+env.Daemon+" nologin")
	env.Exec(t, "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'pg-sync-roles%' and usename = '"+env.Daemon+"'")
	m.until(t, "/readyz", fmt.Sprintf("database %q: not connected", env.Database))
	m.until(t, "/metrics", series("connected", "", 0), series("listening", "", 0), series("connection_losses_total", "", 1), series("scrape_ok", "", 0))
	if status, _ := m.get(t, "/readyz"); status != 503 {
		t.Errorf("/readyz is %d", status)
	}
	env.Exec(t, "alter role "+env.Daemon+" login")
	m.until(t, "/readyz", "ok\n")
	m.until(t, "/metrics", series("connected", "", 1), series("listening", "", 1), series("connection_losses_total", "", 1), series("scrape_ok", "", 1))
}

// An address that cannot be had keeps the daemon from starting, before it touches the database.
func TestListenAddressTaken(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	address := listener.Addr().String()
	on(t, env, "run", "--listen-address", address).want(t, 1, "", "listen on "+address+" (--listen-address): bind: address already in use")
	if pgtest.One[bool](t, env.Connect(t, env.Daemon), "select to_regnamespace('sync_roles') is not null") {
		t.Error("the schema was installed")
	}
}

// What is no address is a call that cannot be understood.
func TestListenAddressUsage(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"8080", "localhost", "localhost:", "localhost:http", "localhost:70000", ":-1", "::1:8080", "http://localhost:8080"} {
		call(t, "run", "--listen-address", address, "-d", "postgres://127.0.0.1:1/none").want(t, 64, "", fmt.Sprintf("--listen-address %q: must be host:port", address))
	}
}

// The connection on which the database is asked how it is ends with the daemon.
func TestMonitorConnection(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	m := monitor(t, conn, "-d", env.URL(env.Daemon))
	m.until(t, "/metrics", fmt.Sprintf("pg_sync_roles_scrape_ok{database=%q} 1\n", env.Database))
	const asks = "select exists (select from pg_stat_activity where datname = $1 and application_name = 'pg-sync-roles metrics')"
	superuser := env.Superuser(t)
	if !pgtest.One[bool](t, superuser, asks, env.Database) {
		t.Error("nobody asks")
	}
	m.stop()
	until(t, superuser, strings.Replace(asks, "exists", "not exists", 1), env.Database)
}
