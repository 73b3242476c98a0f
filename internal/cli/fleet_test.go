package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/cli"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// A fleet is a daemon for several databases, with its log.
type fleet struct {
	log  *lineLog
	url  string // where it serves what monitoring asks
	stop func() (code int)
}

// startFleet runs a daemon until stop is called. It waits for no database.
func startFleet(t *testing.T, args ...string) fleet {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := fleet{log: &lineLog{grew: make(chan struct{})}}
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Run(ctx, append([]string{"run", "--lock-timeout", "1m", "--rescan-interval", "1s", "--listen-address", "127.0.0.1:0"}, args...), strings.NewReader(""), f.log, f.log)
	}()
	t.Cleanup(cancel)
	f.stop = func() int {
		cancel()
		code := <-ended
		ended <- code
		return code
	}
	address := f.line(t, func(l logLine) bool { return l.Address != "" }).Address
	f.url = "http://" + address
	return f
}

type logLine struct {
	Message, Level, Error, Address, Host, Database string
	Port                                           int
}

// A lineLog can be waited on.
type lineLog struct {
	lockedBuffer
	grew chan struct{} // is closed with each line
}

func (l *lineLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.grew)
	l.grew = make(chan struct{})
	return l.b.Write(p)
}

func (l *lineLog) now() (text string, grew <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String(), l.grew
}

// line waits for a line of the log.
func (f fleet) line(t *testing.T, is func(logLine) bool) logLine {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		text, grew := f.log.now()
		for line := range strings.Lines(text) {
			var l logLine
			if json.Unmarshal([]byte(line), &l) == nil && is(l) {
				return l
			}
		}
		select {
		case <-grew:
		case <-timeout:
			t.Fatalf("the log never says it:\n%s", text)
		}
	}
}

func (f fleet) monitored(conn *pgx.Conn) monitored { return monitored{url: f.url, conn: conn} }

// untilReady waits until nothing is the matter with a database.
func (m monitored) untilReady(t *testing.T, database string) {
	t.Helper()
	var body string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if _, body = m.get(t, "/readyz"); !strings.Contains(body, strconv.Quote(database)) {
			return
		}
		exec(t, m.conn, "select pg_sleep(0.01)")
	}
	t.Fatalf("database %q is never ready: %s", database, body)
}

// elsewhere is a connection string for another database of the test's server.
func elsewhere(env *pgtest.Env, database string) string {
	return strings.ReplaceAll(env.URL(env.Daemon), env.Database, database)
}

// hostAndPort are those of a connection string.
func hostAndPort(t *testing.T, text string) (host string, port int) {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	port, err = strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return u.Hostname(), port
}

// A database that is not there yet, one that is dropped, and a server that nobody reaches keep the others from nothing. Each is served when it is
// there, and until then the log, readiness and the metrics say what is the matter.
func TestFleet(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nowhere := listener.Addr().(*net.TCPAddr).Port
	_ = listener.Close() // so nobody is there
	late := env.Prefix + "late"
	f := startFleet(t, "-d", env.URL(env.Daemon), "-d", elsewhere(env, late), "-d", fmt.Sprintf("postgres://u@127.0.0.1:%d/unreachable?sslmode=disable", nowhere))
	m := f.monitored(conn)

	alice := env.Role("alice")
	give(t, env, conn, alice)
	exec(t, conn, "select sync_roles.wait_for_sync($1)", alice)
	if !env.Can(t, alice, "select from app.t1") {
		t.Error("alice cannot read: one database stops the other")
	}
	host, port := hostAndPort(t, env.URL(env.Daemon))
	for _, want := range []logLine{
		{Database: env.Database, Host: host, Port: port, Message: "listening"},
		{Database: late, Host: host, Port: port, Message: "cannot start yet; trying again", Error: "3D000"},
		{Database: "unreachable", Host: "127.0.0.1", Port: nowhere, Message: "cannot start yet; trying again", Error: "is the server running there?"},
	} {
		f.line(t, func(l logLine) bool {
			return l.Database == want.Database && l.Host == want.Host && l.Port == want.Port && l.Message == want.Message && strings.Contains(l.Error, want.Error)
		})
	}
	m.until(t, "/readyz", fmt.Sprintf("database %q: not connected (the database does not exist); ", late), `database "unreachable": not connected (the server cannot be reached); `)
	m.untilReady(t, env.Database)
	m.until(t, "/metrics", fmt.Sprintf("\npg_sync_roles_connected{database=%q} 0\n", late), fmt.Sprintf("\npg_sync_roles_connected{database=%q} 1\n", env.Database))
	if _, body := m.get(t, "/metrics"); strings.Contains(body, fmt.Sprintf("\npg_sync_roles_connection_failures_total{database=%q} 0\n", late)) {
		t.Error("no failure to connect is counted")
	}

	super := env.Superuser(t)
	exec(t, super, "create database "+late+" owner "+env.Daemon)
	t.Cleanup(func() {
		_, _ = super.Exec(context.WithoutCancel(t.Context()), "drop database if exists "+late+" with (force)")
	})
	m.until(t, "/metrics", fmt.Sprintf("\npg_sync_roles_connected{database=%q} 1\n", late))
	second, err := pgx.Connect(t.Context(), elsewhere(env, late))
	if err != nil {
		t.Fatal(err)
	}
	exec(t, second, "create table public.t (id int)")
	bob := env.Role("bob")
	exec(t, second, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ($1, 'SELECT', 'table', 'public', 't')", bob)
	exec(t, second, "select sync_roles.wait_for_sync($1)", bob)
	if !pgtest.One[bool](t, second, "select has_table_privilege($1, 'public.t', 'SELECT')", bob) {
		t.Error("the database that came later is not served")
	}
	_ = second.Close(t.Context())

	exec(t, super, "drop database "+late+" with (force)")
	m.until(t, "/readyz", fmt.Sprintf("database %q: not connected (the database does not exist)", late))
	exec(t, conn, "delete from sync_roles.desired_grants where object_type = 'table'")
	exec(t, conn, "select sync_roles.wait_for_sync($1)", alice)
	if env.Can(t, alice, "select from app.t1") {
		t.Error("alice can still read: the database that was dropped stops the other")
	}
	if code := f.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, f.log)
	}
}

// A right that is missing in one database is waited for; one that is missing in all ends the daemon, which says so of each.
func TestFleetWithoutRights(t *testing.T) {
	t.Parallel()
	one, conn := installed(t)
	two := pgtest.New(t)
	two.Exec(t, "alter role "+two.Daemon+" nocreaterole")
	f := startFleet(t, "-d", one.URL(one.Daemon), "-d", two.URL(two.Daemon))
	f.line(t, func(l logLine) bool { return l.Database == two.Database && strings.Contains(l.Error, "CREATEROLE") })
	alice := one.Role("alice")
	give(t, one, conn, alice)
	exec(t, conn, "select sync_roles.wait_for_sync($1)", alice)
	if !one.Can(t, alice, "select from app.t1") {
		t.Error("alice cannot read: a right that is missing in one database stops the other")
	}
	two.Exec(t, "alter role "+two.Daemon+" createrole")
	until(t, two.Connect(t, two.Daemon), ready)
	if code := f.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, f.log)
	}

	for _, env := range []*pgtest.Env{one, two} {
		env.Exec(t, "alter role "+env.Daemon+" nocreaterole")
	}
	r := call(t, "run", "-d", one.URL(one.Daemon), "-d", two.URL(two.Daemon))
	r.want(t, 1, "", fmt.Sprintf("database %q: role %s lacks CREATEROLE", one.Database, one.Daemon))
	r.want(t, 1, "", fmt.Sprintf("database %q: role %s lacks CREATEROLE", two.Database, two.Daemon))
}

// A password that is refused at the start ends the daemon, so that the server is not asked again and again.
func TestFleetWithAWrongPassword(t *testing.T) {
	t.Parallel()
	s := newPasswordServer(t)
	s.exec(t, "postgres", "create database other owner daemon")
	good := s.url(t, "daemon", "daemon's")
	bad := strings.Replace(s.url(t, "daemon", "wrong"), "/db", "/other", 1)
	call(t, "run", "-d", good, "-d", bad).want(t, 1, "", `database "other": failed to connect`)

	// So does one that is refused later, where it was never accepted.
	g := startFleet(t, "-d", good, "-d", strings.Replace(good, "/db", "/late", 1))
	g.line(t, func(l logLine) bool { return l.Database == "late" && strings.Contains(l.Error, "3D000") })
	g.line(t, func(l logLine) bool { return l.Database == "db" && l.Message == "listening" })
	s.exec(t, "postgres", "alter role daemon password 'another'")
	g.line(t, func(l logLine) bool { return l.Database == "db" && l.Message == "stopped" })
	if code := g.stop(); code != 1 {
		t.Errorf("exit code %d\n%s", code, g.log)
	}

	// Where it was right before, it is waited for.
	s.exec(t, "postgres", "alter role daemon password 'daemon''s'")
	f := startFleet(t, "-d", good)
	conn, err := pgx.Connect(t.Context(), s.URL(pgserver.Superuser, "db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	m := f.monitored(conn)
	m.until(t, "/readyz", "ok\n")
	exec(t, conn, "alter role daemon password 'another'")
	exec(t, conn, "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'daemon'")
	m.until(t, "/readyz", "not connected (the server refuses the login)")
	exec(t, conn, "alter role daemon password 'daemon''s'")
	m.until(t, "/readyz", "ok\n")
	if code := f.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, f.log)
	}
}

// Many databases are installed and served by a server that has hardly more connections than the one that each of them keeps: at work, they take turns.
func TestFleetWithFewConnections(t *testing.T) {
	t.Parallel()
	const databases, working, installing, ending, superusers = 16, 8, 2 * 4, 6, 3
	server, super := newServer(t, map[string]string{"max_connections": strconv.Itoa(databases + working + installing + ending + superusers + 4)})
	exec(t, super, "create role daemon login createrole")
	var args, names []string
	for i := range databases {
		name := fmt.Sprintf("db%d", i)
		exec(t, super, "create database "+name+" owner daemon")
		args, names = append(args, "-d", server.URL("daemon", name)), append(names, name)
	}
	f := startFleet(t, append(args, "--rescan-interval", "10s")...)
	for _, name := range names {
		f.line(t, func(l logLine) bool { return l.Database == name && l.Message == "listening" })
	}
	f.monitored(super).until(t, "/readyz", "ok\n")
	exec(t, super, "create role alice login")
	for _, change := range []struct {
		sql  string
		read bool
	}{
		{"insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('alice', 'SELECT', 'table', 'public', 't')", true},
		{"delete from sync_roles.desired_grants", false},
	} {
		for _, name := range names {
			conn := connectTo(t, server.URL(pgserver.Superuser, name))
			exec(t, conn, "create table if not exists public.t (id int)")
			exec(t, conn, "alter table public.t owner to daemon")
			exec(t, conn, change.sql)
			exec(t, conn, "select sync_roles.wait_for_sync('alice')")
			if read := pgtest.One[bool](t, conn, "select has_table_privilege('alice', 'public.t', 'select')"); read != change.read {
				t.Errorf("database %s: alice can read: %t", name, read)
			}
			_ = conn.Close(t.Context())
		}
		until(t, super, "select count(*) <= $1 from pg_stat_activity where usename = 'daemon'", databases+working)
	}
	_, metrics := f.monitored(super).get(t, "/metrics")
	for _, name := range names {
		if !strings.Contains(metrics, fmt.Sprintf("\npg_sync_roles_scrape_ok{database=%q} 1\n", name)) {
			t.Errorf("database %s is not asked", name)
		}
	}
	until(t, super, "select not exists (select from pg_stat_activity where application_name = 'pg-sync-roles metrics')")
	if code := f.stop(); code != 0 || strings.Contains(f.log.String(), "53300") {
		t.Errorf("exit code %d\n%s", code, f.log)
	}
}

// newServer starts a server that the test has to itself, and connects to it as the superuser.
func newServer(t *testing.T, settings map[string]string) (*pgserver.Server, *pgx.Conn) {
	t.Helper()
	settings["fsync"] = "off"
	server, err := pgserver.Start(t.Context(), pgserver.Config{BinDir: os.Getenv("TEST_POSTGRES_BIN"), Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
		defer cancel()
		_ = server.Stop(ctx)
	})
	return server, connectTo(t, server.URL(pgserver.Superuser, "postgres"))
}

func connectTo(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}
