package cli_test

import (
	"fmt"
	"net"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
)

// startPgBouncer starts a pooler in front of a server, and returns the port. Without PgBouncer the test is skipped; TEST_PGBOUNCER says where it is.
func startPgBouncer(t *testing.T, server *pgserver.Server, mode string) (port int) {
	t.Helper()
	program := os.Getenv("TEST_PGBOUNCER")
	if program == "" {
		program, _ = osexec.LookPath("pgbouncer")
	}
	if program == "" {
		program = "/usr/sbin/pgbouncer"
	}
	if _, err := os.Stat(program); err != nil {
		t.Skipf("there is no PgBouncer; TEST_PGBOUNCER can say where it is (%v)", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port = listener.Addr().(*net.TCPAddr).Port
	_ = listener.Close()

	dir, err := os.MkdirTemp("", "pgbouncer")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	config, users := filepath.Join(dir, "pgbouncer.ini"), filepath.Join(dir, "users")
	for path, text := range map[string]string{
		config: fmt.Sprintf("[databases]\n* = host=127.0.0.1 port=%d\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\nauth_type = trust\nauth_file = %s\npool_mode = %s\ndefault_pool_size = 2\nserver_tls_sslmode = disable\n",
			server.Port(), port, users, mode),
		users: "\"daemon\" \"\"\n\"postgres\" \"\"\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	command, err := server.Program(t.Context(), program, config)
	if err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	command.Stdout, command.Stderr = &log, &log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); ; {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = conn.Close()
			return port
		}
		if time.Now().After(deadline) {
			t.Fatalf("PgBouncer does not answer: %v\n%s", err, log.String())
		}
	}
}

// What only reads is the same through a pooler, whatever others leave in the sessions that it shares; the daemon, and what takes the lock, say why they
// cannot work there.
func TestPoolers(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"session", "transaction"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			server, super := newServer(t, map[string]string{})
			exec(t, super, "create role daemon login createrole")
			exec(t, super, "create database db owner daemon")
			direct := server.URL("daemon", "db")
			conn := connectTo(t, direct)
			exec(t, conn, "create schema app")
			exec(t, conn, "create table app.t1 (id int)")
			call(t, "migrate", "-d", direct).want(t, 0, "has version", "")
			exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, note) values ('alice é', 'SELECT', 'table', 'app', 't1', 'it''s \\ so')")
			call(t, "sync", "-d", direct).want(t, 0, "applied", "")

			at := clock(t, conn)
			port := startPgBouncer(t, server, mode)
			pooled := strings.Replace(direct, fmt.Sprint(server.Port()), fmt.Sprint(port), 1)
			for _, args := range [][]string{
				{"status"},
				{"status", "--all"},
				{"status", "--output", "json"},
				{"status", "--databases", "d_"},
				{"explain", "alice é", "app.t1"},
				{"who", "SELECT", "app.t1"},
				{"export"},
				{"report", "--as-of", at},
				{"report", "--output", "html", "--as-of", at, "alice é"},
				{"audit", "verify"},
			} {
				spoil(t, pooled)
				want := call(t, append(args, "-d", direct)...)
				got := call(t, append(args, "-d", pooled)...)
				if got != want || got.code != 0 {
					t.Errorf("%v is %d\n%s%s\nthrough the pooler, and else %d\n%s%s", args, got.code, got.stdout, got.stderr, want.code, want.stdout, want.stderr)
				}
			}
			outlastTimeout(t, conn, connectTo(t, direct), pooled)
			for _, args := range [][]string{{"run"}, {"sync"}, {"plan"}} {
				call(t, append(args, "-d", pooled)...).want(t, 1, "", "a connection pooler, such as PgBouncer in transaction mode, cannot be used")
			}
		})
	}
}

// outlastTimeout tries that a command has its own limit of time: it waits for a lock past the timeout that spoil left. The timeout is seconds, because the
// pooler's own SETs, and the BEGIN of a command, are under it too.
func outlastTimeout(t *testing.T, conn, holder *pgx.Conn, pooled string) {
	t.Helper()
	tx, err := holder.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "lock table sync_roles.desired_grants"); err != nil {
		t.Fatal(err)
	}
	spoil(t, pooled)
	done := make(chan result, 1)
	go func() { done <- call(t, "export", "-d", pooled) }()
	for waited := false; !waited && len(done) == 0; {
		err := conn.QueryRow(t.Context(), "select exists (select from pg_catalog.pg_stat_activity where wait_event_type = 'Lock' and clock_timestamp() - query_start > '2.5 s')").Scan(&waited)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	(<-done).want(t, 0, "alice é", "")
}

// spoil leaves settings in the sessions that a pooler shares.
func spoil(t *testing.T, url string) {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	settings := []string{"search_path = app", "DateStyle = 'German'", "quote_all_identifiers = on", "statement_timeout = '2s'"}
	if majorOf(t, conn) < 19 { // since then it is always on
		settings = append(settings, "standard_conforming_strings = off")
	}
	for _, setting := range settings {
		exec(t, conn, "set "+setting)
	}
	_ = conn.Close(t.Context())
}
