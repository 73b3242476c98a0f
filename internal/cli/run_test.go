package cli_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// start runs the daemon until stop is called, which returns how it ended.
func start(tb testing.TB, args ...string) (stop func() result) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	ended := make(chan result, 1)
	go func() {
		ended <- callWith(ctx, strings.NewReader(""), append([]string{"run", "--lock-timeout", "1m", "--rescan-interval", "1h"}, args...)...)
	}()
	tb.Cleanup(cancel)
	return func() result {
		cancel()
		r := <-ended
		ended <- r
		return r
	}
}

const ready = "select to_regprocedure('sync_roles.wait_for_sync(text, interval)') is not null"

// The daemon installs, does what a row asks for as soon as it is committed, takes it away again, and ends with 0.
func TestRun(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	env.Exec(t, "create schema app authorization "+env.Owner+"; set role "+env.Owner+"; create table app.t1 (id int)")
	stop := start(t, "-d", env.URL(env.Daemon))
	conn := env.Connect(t, env.Daemon)
	until(t, conn, ready)
	alice := env.Role("alice")
	give(t, env, conn, alice)
	exec(t, conn, "select sync_roles.wait_for_sync($1)", alice)
	if !env.Can(t, alice, "select from app.t1") {
		t.Error("alice cannot read")
	}
	exec(t, conn, "delete from sync_roles.desired_grants where object_type = 'table'")
	exec(t, conn, "select sync_roles.wait_for_sync($1)", alice)
	if env.Can(t, alice, "select from app.t1") {
		t.Error("alice can still read")
	}
	if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.audit where cause in ('notify', 'startup') and requested_by = array[$1]", env.Daemon); n == 0 {
		t.Error("no audit row says who asked")
	}
	stop().want(t, 0, "", "stopped")
	until(t, env.Superuser(t), "select not exists (select from pg_stat_activity where usename = $1 and pid <> $2)", env.Daemon, conn.PgConn().PID())
}

// What was written while no daemon ran is done when one starts, drift included.
func TestRunAfterAPause(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice, bob := env.Role("alice"), env.Role("bob")
	give(t, env, conn, alice)
	stop := start(t, "-d", env.URL(env.Daemon))
	exec(t, conn, "select sync_roles.wait_for_sync()")
	stop().want(t, 0, "", "*")

	env.Exec(t, "revoke select on app.t1 from "+alice)
	give(t, env, conn, bob)
	defer start(t, "-d", env.URL(env.Daemon), "--no-migrate")()
	exec(t, conn, "select sync_roles.wait_for_sync($1)", bob)
	if !env.Can(t, bob, "select from app.t1") {
		t.Error("what was written while the daemon was down was not done")
	}
	until(t, env.Superuser(t), "select has_table_privilege($1, 'app.t1', 'SELECT')", alice)
}

// -d may be repeated: one loop for each database.
func TestRunForTwoDatabases(t *testing.T) {
	t.Parallel()
	one, oneConn := installed(t)
	two, twoConn := installed(t)
	stop := start(t, "-d", one.URL(one.Daemon), "-d", two.URL(two.Daemon))
	give(t, one, oneConn, one.Role("alice"))
	give(t, two, twoConn, two.Role("alice"))
	exec(t, oneConn, "select sync_roles.wait_for_sync()")
	exec(t, twoConn, "select sync_roles.wait_for_sync()")
	if !one.Can(t, one.Role("alice"), "select from app.t1") || !two.Can(t, two.Role("alice"), "select from app.t1") {
		t.Error("one of two databases was not served")
	}
	stop().want(t, 0, "", "stopped")
}

// Two daemons on one database share the work.
func TestTwoDaemons(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	first, second := start(t, "-d", env.URL(env.Daemon)), start(t, "-d", env.URL(env.Daemon))
	for i := range 10 {
		role := env.Role("user" + string(rune('a'+i)))
		give(t, env, conn, role)
		exec(t, conn, "select sync_roles.wait_for_sync($1)", role)
		if !env.Can(t, role, "select from app.t1") {
			t.Errorf("%s cannot read", role)
		}
	}
	first().want(t, 0, "", "*")
	second().want(t, 0, "", "*")
}

// The program as it is built: SIGTERM and SIGINT end the daemon with 0, and data and errors go where they belong.
func TestTheProgram(t *testing.T) {
	t.Parallel()
	goTool, err := osexec.LookPath("go")
	if err != nil {
		t.Skip("there is no go command to build with")
	}
	program := filepath.Join(t.TempDir(), "pg-sync-roles")
	build := osexec.CommandContext(t.Context(), goTool, "build", "-o", program, "../..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		env, conn := installed(t)
		daemon := osexec.CommandContext(t.Context(), program, "run", "--lock-timeout", "1m")
		daemon.Env = append(os.Environ(), "PG_SYNC_ROLES_DATABASE_URL="+env.URL(env.Daemon))
		var stdout, stderr bytes.Buffer
		daemon.Stdout, daemon.Stderr = &stdout, &stderr
		if err := daemon.Start(); err != nil {
			t.Fatal(err)
		}
		alice := env.Role("alice")
		give(t, env, conn, alice)
		exec(t, conn, "select sync_roles.wait_for_sync($1)", alice)
		if err := daemon.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := daemon.Wait(); err != nil {
			t.Errorf("%s: %v\n%s", signal, err, &stderr)
		}
		if stdout.Len() > 0 || !strings.Contains(stderr.String(), "stopped") {
			t.Errorf("stdout %q, stderr %q", &stdout, &stderr)
		}
	}
	err = osexec.CommandContext(t.Context(), program, "frobnicate").Run()
	var exit *osexec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 64 {
		t.Errorf("an unknown command: %v, want exit code 64", err)
	}
}
