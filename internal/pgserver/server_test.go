//go:build unix

package pgserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// killMe makes the test binary start a server and wait to be killed.
const killMe = "PGSERVER_TEST_KILL_ME"

func TestMain(m *testing.M) {
	if os.Getenv(killMe) == "" {
		os.Exit(m.Run())
	}
	server, err := Start(context.Background(), Config{Dir: os.Getenv(killMe)})
	if err != nil {
		panic(err)
	}
	_, _ = fmt.Fprintln(os.Stdout, server.Port())
	select {}
}

func start(t *testing.T, config Config) *Server {
	t.Helper()
	if config.BinDir == "" {
		binDir, err := Locate(t.Context(), t.Output())
		if err != nil {
			t.Fatal(err)
		}
		config.BinDir = binDir
	}
	server, err := Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return server
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func run(t *testing.T, server *Server, sql string) {
	t.Helper()
	conn := connect(t, server.URL(Superuser, "postgres"))
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("run %s: %v", sql, err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func ask(t *testing.T, server *Server, sql string) (answer string) {
	t.Helper()
	conn := connect(t, server.URL(Superuser, "postgres"))
	if err := conn.QueryRow(t.Context(), sql).Scan(&answer); err != nil {
		t.Fatalf("run %s: %v", sql, err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return answer
}

func listens(t *testing.T, port string) bool {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

func mustBeEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestStartAndStop(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	server := start(t, Config{Dir: dir, Settings: map[string]string{
		"work_mem":    "5MB",
		"search_path": `"it's", "back\slash"`,
	}})

	for sql, want := range map[string]string{
		"show listen_addresses":        "127.0.0.1",
		"show unix_socket_directories": "",
		"show max_connections":         "100",
		"show server_encoding":         "UTF8",
		"select datcollate from pg_database where datname = 'postgres'": "C",
		"show work_mem":       "5MB",
		"show search_path":    `"it's", "back\slash"`,
		"show data_directory": server.DataDir(),
		"show port":           fmt.Sprint(server.Port()),
		"select rolname from pg_roles where rolsuper": Superuser,
	} {
		if got := ask(t, server, sql); got != want {
			t.Errorf("%s: %q, want %q", sql, got, want)
		}
	}
	if info, err := os.Stat(server.DataDir()); err != nil {
		t.Error(err)
	} else if owner := info.Sys().(*syscall.Stat_t).Uid; owner == 0 {
		t.Error("the server runs as root")
	}
	if err := syscall.Kill(server.PID(), 0); err != nil {
		t.Errorf("no process %d: %v", server.PID(), err)
	}

	idle := connect(t, server.URL(Superuser, "postgres")) // does not keep the server from stopping
	for range 2 {
		if err := server.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if idle.Ping(t.Context()) == nil {
		t.Error("a session survived")
	}
	if pid := server.PID(); pid != 0 {
		t.Errorf("stopped, and has pid %d", pid)
	}
	mustBeEmpty(t, dir)
}

// A stop whose time is up cuts short, and still removes everything.
func TestStopOutOfTime(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	server := start(t, Config{Dir: dir})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := server.Stop(ctx); err != nil {
		t.Error(err)
	}
	mustBeEmpty(t, dir)
}

func TestAuthMethod(t *testing.T) {
	t.Parallel()
	server := start(t, Config{AuthMethod: "scram-sha-256"})
	run(t, server, "create role alice login password 'wonder'; create role bob login")

	if _, err := pgx.Connect(t.Context(), server.URL("bob", "postgres")); err == nil {
		t.Error("bob logs in without a password")
	}
	config, err := pgx.ParseConfig(server.URL("alice", "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	config.Password = "wonder"
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close(t.Context())
}

func TestURLQuotes(t *testing.T) {
	t.Parallel()
	server := start(t, Config{})
	run(t, server, `create role "Odd @/:?#% name" login`)
	run(t, server, `create database "Odd /?#% name"`)

	conn := connect(t, server.URL("Odd @/:?#% name", "Odd /?#% name"))
	var user, database string
	if err := conn.QueryRow(t.Context(), "select current_user, current_database()").Scan(&user, &database); err != nil {
		t.Fatal(err)
	}
	if user != "Odd @/:?#% name" || database != "Odd /?#% name" {
		t.Errorf("logged in as %q in %q", user, database)
	}
}

func TestStartShowsTheLog(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	_, err := Start(t.Context(), Config{Dir: dir, Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), `unrecognized configuration parameter "no_such_setting"`) {
		t.Errorf("got %v", err)
	}
	mustBeEmpty(t, dir)
}

func TestStartCancelled(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	binDir, err := Locate(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond) // in initdb, or soon after
	defer cancel()
	if _, err := Start(ctx, Config{Dir: dir, BinDir: binDir, Settings: map[string]string{"listen_addresses": ""}}); err == nil {
		t.Error("no error")
	}
	mustBeEmpty(t, dir)
}

// Somebody may take the port between our look and the server's start.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	server := start(t, Config{})
	if err := server.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", net.JoinHostPort("127.0.0.1", fmt.Sprint(server.Port())))
	if err != nil {
		t.Fatal(err)
	}
	if err := server.launch(t.Context()); !errors.Is(err, errPortTaken) {
		t.Errorf("got %v, want errPortTaken", err)
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(t.Context(), false); err != nil {
		t.Error(err)
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	server := start(t, Config{})
	run(t, server, "create table t as select 'kept'::text as word")
	port := server.Port()

	for _, immediate := range []bool{false, true} {
		pid := server.PID()
		idle := connect(t, server.URL(Superuser, "postgres"))
		if err := server.Restart(t.Context(), immediate); err != nil {
			t.Fatal(err)
		}
		if idle.Ping(t.Context()) == nil {
			t.Error("a session survived")
		}
		if server.PID() == pid || server.Port() != port {
			t.Errorf("pid %d and port %d after pid %d and port %d", server.PID(), server.Port(), pid, port)
		}
		if got := ask(t, server, "select word from t"); got != "kept" {
			t.Errorf("read %q", got)
		}
	}
}

func TestCrash(t *testing.T) {
	t.Parallel()
	server := start(t, Config{})
	run(t, server, "create table t as select 'kept'::text as word")
	for range 2 { // what is down may crash again
		if err := server.Crash(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if server.PID() != 0 || listens(t, fmt.Sprint(server.Port())) {
		t.Error("it is still up")
	}
	if err := server.Restart(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, server, "select word from t"); got != "kept" {
		t.Errorf("read %q", got)
	}
}

// A test binary that is killed leaves neither the server nor its files.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	victim := exec.CommandContext(t.Context(), self)
	victim.Env = append(os.Environ(), killMe+"="+dir)
	output, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	var port string
	if _, err := fmt.Fscan(output, &port); err != nil {
		t.Fatal(err)
	}
	if !listens(t, port) {
		t.Fatal("no server")
	}
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait() // killed, as we know

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		left, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 && !listens(t, port) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("left behind: %q, listening: %t", left, listens(t, port))
		case <-ticker.C:
		}
	}
}
