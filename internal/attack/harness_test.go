package attack_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/internal/cli"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// A field is a database with the actors of the threat model: its Daemon is no superuser, as examples/setup-*.sql makes it.
type field struct {
	*pgtest.Env
	anylogin string // may connect and nothing more
	etl      string // a scoped writer: SELECT on tables of schema sales
	dba      string // CREATEROLE, and no superuser
}

// bare makes the actors, and schema sales with tables orders and costs; sync_roles is not installed yet.
func bare(t *testing.T) *field {
	t.Helper()
	f := &field{Env: pgtest.New(t)}
	f.anylogin, f.etl, f.dba = f.Role("anylogin"), f.Role("etl"), f.Role("dba")
	f.Exec(t, fmt.Sprintf(`
		create role %[1]s login; create role %[2]s login; create role %[3]s login createrole;
		grant connect on database %[4]s to %[1]s, %[2]s, %[3]s;
		create schema sales authorization %[5]s;
		grant usage on schema sales to public;
		set role %[5]s;
		create table sales.orders (id int, price int);
		create table sales.costs (id int)`, f.anylogin, f.etl, f.dba, f.Database, f.Owner))
	return f
}

// installed is bare with sync_roles installed by the daemon role, and etl's scope.
func installed(t *testing.T) *field {
	t.Helper()
	f := bare(t)
	f.call(t, "migrate").want(t, 0)
	f.scope(t)
	return f
}

// scope lets etl write rows that ask for SELECT on tables of schema sales.
func (f *field) scope(t *testing.T) {
	t.Helper()
	f.run(t, f.Daemon, fmt.Sprintf(`
		grant usage on schema sync_roles to %[1]s;
		grant select, insert, update, delete on sync_roles.desired_grants to %[1]s;
		insert into sync_roles.writers (writer_role, object_type, privileges, schema_like) values ('%[1]s', 'table', '{SELECT}', 'sales')`, f.etl))
}

// A result is what a call of the program left.
type result struct {
	code           int
	stdout, stderr string
}

func (r result) want(t *testing.T, code int) result {
	t.Helper()
	if r.code != code {
		t.Fatalf("exit code %d, want %d\nstdout:\n%s\nstderr:\n%s", r.code, code, r.stdout, r.stderr)
	}
	return r
}

// call runs the program on the database, as the daemon role.
func (f *field) call(t *testing.T, args ...string) result {
	t.Helper()
	return f.callAs(t, f.Daemon, args...)
}

// callAs runs the program on the database, as any login.
func (f *field) callAs(t *testing.T, role string, args ...string) result {
	t.Helper()
	return call(t.Context(), append(f.patient(args), "-d", f.URL(role))...)
}

// patient makes a command wait long for the cluster's lock, which all tests of the package share.
func (f *field) patient(args []string) []string {
	switch args[0] {
	case "sync", "plan", "run", "adopt":
		return append([]string{args[0], "--lock-timeout", "1m"}, args[1:]...)
	}
	return args
}

func call(ctx context.Context, args ...string) result {
	var stdout, stderr bytes.Buffer
	code := cli.Run(ctx, args, strings.NewReader(""), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// start runs the daemon until the test ends, or until stop is called, which returns how it ended.
func (f *field) start(t *testing.T, flags ...string) (stop func() result) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan result, 1)
	go func() {
		ended <- call(ctx, append(append(f.patient([]string{"run"}), "--rescan-interval", "1h", "-d", f.URL(f.Daemon)), flags...)...)
	}()
	stop = func() result {
		cancel()
		r := <-ended
		ended <- r
		return r
	}
	t.Cleanup(func() { stop() })
	return stop
}

// run runs SQL as a login, in one message; it must succeed.
func (f *field) run(t *testing.T, role, sql string) {
	t.Helper()
	if err := f.attempt(t, role, sql); err != nil {
		t.Fatalf("as %s run %s: %v", role, sql, err)
	}
}

// attempt runs SQL as a login, in one message, and returns its error.
func (f *field) attempt(t *testing.T, role, sql string) error {
	t.Helper()
	conn, err := f.TryConnect(t.Context(), role)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	_, err = conn.PgConn().Exec(t.Context(), sql).ReadAll()
	return err
}

// refused runs SQL as a login, which must fail with this SQLSTATE and these words.
func (f *field) refused(t *testing.T, role, sql, state string, words ...string) {
	t.Helper()
	err := f.attempt(t, role, sql)
	var refusal *pgconn.PgError
	if !errors.As(err, &refusal) || refusal.Code != state {
		t.Errorf("as %s run %s: %v, want SQLSTATE %s", role, sql, err, state)
		return
	}
	for _, word := range words {
		if !strings.Contains(refusal.Message, word) {
			t.Errorf("as %s run %s: the message has no %q: %s", role, sql, word, refusal.Message)
		}
	}
}

// login connects as a role until the test ends.
func (f *field) login(t *testing.T, role string) *pgx.Conn {
	t.Helper()
	return f.Connect(t, role)
}

// until asks as superuser again and again, until the answer is true.
func (f *field) until(t *testing.T, sql string, args ...any) {
	t.Helper()
	conn := f.Superuser(t)
	if _, err := conn.Exec(t.Context(), "select pg_catalog.set_config('search_path', 'pg_catalog', false)"); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if pgtest.One[bool](t, conn, sql, args...) {
			return
		}
		if _, err := conn.Exec(t.Context(), "select pg_sleep(0.01)"); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("never true: %s", sql)
}

// user makes a login that may connect, which the daemon may alter.
func (f *field) user(t *testing.T, name string) string {
	t.Helper()
	role := f.Role(name)
	f.Exec(t, fmt.Sprintf("create role %s login; grant connect on database %s to %[1]s", role, f.Database))
	if f.Version >= 16 {
		f.Exec(t, fmt.Sprintf("grant %s to %s with admin true, inherit false, set false", role, f.Daemon))
	}
	return role
}

// ask writes a row as the daemon role: SELECT on a table of schema sales.
func (f *field) ask(t *testing.T, role, table string) {
	t.Helper()
	f.run(t, f.Daemon, fmt.Sprintf("insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('%s', 'SELECT', 'table', 'sales', '%s')", role, table))
}
