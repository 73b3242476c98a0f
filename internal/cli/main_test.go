package cli_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/cli"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// A result is what a call of the program left.
type result struct {
	code           int
	stdout, stderr string
}

// call runs the program.
func call(tb testing.TB, args ...string) result {
	tb.Helper()
	return callWith(tb.Context(), strings.NewReader(""), args...)
}

func callWith(ctx context.Context, stdin io.Reader, args ...string) result {
	var stdout, stderr bytes.Buffer
	code := cli.Run(ctx, args, stdin, &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// on runs the program on the test's database, as the daemon. All tests of the package share the cluster's lock, so it waits long.
func on(tb testing.TB, env *pgtest.Env, args ...string) result {
	tb.Helper()
	args = append(args, "-d", env.URL(env.Daemon))
	switch args[0] {
	case "sync", "plan", "run", "adopt":
		args = append(args, "--lock-timeout", "1m")
	}
	return call(tb, args...)
}

// want checks the exit code, and words on stdout and stderr: "" for nothing at all, "*" for whatever.
func (r result) want(tb testing.TB, code int, stdout, stderr string) {
	tb.Helper()
	if r.code != code {
		tb.Errorf("exit code %d, want %d", r.code, code)
	}
	bad := r.code != code
	for _, s := range []struct{ name, text, word string }{{"stdout", r.stdout, stdout}, {"stderr", r.stderr, stderr}} {
		switch {
		case s.word == "*":
		case s.word == "" && s.text != "":
			tb.Errorf("%s is not empty", s.name)
			bad = true
		case !strings.Contains(s.text, s.word):
			tb.Errorf("%s has no %q", s.name, s.word)
			bad = true
		}
	}
	if bad {
		tb.Logf("stdout:\n%s\nstderr:\n%s", r.stdout, r.stderr)
	}
}

// installed makes a database with the schema in it, and two tables in schema app.
func installed(tb testing.TB) (*pgtest.Env, *pgx.Conn) {
	tb.Helper()
	env := pgtest.New(tb)
	on(tb, env, "migrate").want(tb, 0, "has version", "")
	env.Exec(tb, "create schema app authorization "+env.Owner+"; set role "+env.Owner+"; create table app.t1 (id int); create table app.t2 (id int)")
	return env, env.Connect(tb, env.Daemon)
}

func exec(tb testing.TB, conn *pgx.Conn, sql string, args ...any) {
	tb.Helper()
	if _, err := conn.Exec(tb.Context(), sql, args...); err != nil {
		tb.Fatalf("run %s: %v", sql, err)
	}
}

// give writes rows for a role that can log in and read app.t1.
func give(tb testing.TB, env *pgtest.Env, conn *pgx.Conn, role string) {
	tb.Helper()
	exec(tb, conn, "insert into sync_roles.desired_roles (role_name, login) values ($1, true)", role)
	exec(tb, conn, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values
		($1, 'CONNECT', 'database', null, $2), ($1, 'USAGE', 'schema', null, 'app'), ($1, 'SELECT', 'table', 'app', 't1')`, role, env.Database)
}

// refused writes a row that no daemon obeys.
func refused(tb testing.TB, conn *pgx.Conn, role string) {
	tb.Helper()
	exec(tb, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name) values ($1, 'MEMBER', 'role', 'pg_monitor')", role)
}

// until asks the server again and again, until it says true.
func until(tb testing.TB, conn *pgx.Conn, sql string, args ...any) {
	tb.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if pgtest.One[bool](tb, conn, sql, args...) {
			return
		}
		exec(tb, conn, "select pg_sleep(0.01)")
	}
	tb.Fatalf("never true: %s", sql)
}
