package cli_test

import (
	"bytes"
	osexec "os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// buildProgram builds the program as users have it.
func buildProgram(t *testing.T) (path string) {
	t.Helper()
	goTool, err := osexec.LookPath("go")
	if err != nil {
		t.Skip("there is no go command to build with")
	}
	path = filepath.Join(t.TempDir(), "pg-sync-roles")
	if out, err := osexec.CommandContext(t.Context(), goTool, "build", "-o", path, "../..").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	return path
}

// A daemon that is told to stop leaves no session behind, whatever it waits for: neither the cluster's lock nor one in the middle of a pass. One that is
// killed leaves none for longer than the server takes to notice.
func TestStopInTheMiddle(t *testing.T) {
	t.Parallel()
	program := buildProgram(t)
	server, super := newServer(t, map[string]string{})
	exec(t, super, "create role daemon login createrole")
	for name, c := range map[string]struct {
		block  string // what another session holds
		signal syscall.Signal
	}{
		"lock":   {"comment on role _pgsr_lock is null", syscall.SIGTERM},
		"pass":   {"lock table sync_roles.audit in access exclusive mode", syscall.SIGTERM},
		"sigint": {"lock table sync_roles.audit in access exclusive mode", syscall.SIGINT},
		"killed": {"lock table sync_roles.audit in access exclusive mode", syscall.SIGKILL},
	} {
		exec(t, super, "create database "+name+" owner daemon")
		url := server.URL("daemon", name)
		conn, dba := connectTo(t, url), connectTo(t, server.URL("postgres", name))
		call(t, "migrate", "-d", url).want(t, 0, "has version", "")
		daemon := osexec.CommandContext(t.Context(), program, "run", "--lock-timeout", "1m", "-d", url)
		var stderr bytes.Buffer
		daemon.Stderr = &stderr
		if err := daemon.Start(); err != nil {
			t.Fatal(err)
		}
		until(t, conn, "select exists (select from sync_roles.rescans)")
		tx, err := dba.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		exec(t, dba, c.block)
		exec(t, conn, "insert into sync_roles.desired_roles (role_name) values ($1)", "role_of_"+name)
		const waits = "select count(*) > 0 from pg_stat_activity where datname = $1 and application_name like 'pg-sync-roles%' and wait_event_type = 'Lock'"
		until(t, super, waits, name)
		if err := daemon.Process.Signal(c.signal); err != nil {
			t.Fatal(err)
		}
		err = daemon.Wait()
		if (err == nil) != (c.signal != syscall.SIGKILL) {
			t.Errorf("%s: %v\n%s", name, err, &stderr)
		}
		const sessions = "select count(*) from pg_stat_activity where datname = $1 and application_name in ('pg-sync-roles', 'pg-sync-roles metrics')"
		if n := pgtest.One[int](t, super, sessions, name); n > 0 && c.signal != syscall.SIGKILL {
			t.Errorf("%s: the daemon has ended, and %d of its sessions have not", name, n)
		}
		until(t, super, "select not exists (select from pg_stat_activity where datname = $1 and application_name like 'pg-sync-roles%')", name)
		if err := tx.Rollback(t.Context()); err != nil {
			t.Error(err)
		}
		if pgtest.One[bool](t, super, "select exists (select from pg_roles where rolname = $1)", "role_of_"+name) {
			t.Errorf("%s: what was not committed was done", name)
		}
		call(t, "sync", "-d", url).want(t, 0, "role_of_"+name, "")
	}
}
