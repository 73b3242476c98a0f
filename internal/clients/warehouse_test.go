package clients_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/cli"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// A warehouse is a database with a daemon, tables sales.orders and sales.customers, and a login that may write rows for SELECT on these, for roles that exist.
type warehouse struct {
	*pgtest.Env
	writer string
	owner  *pgx.Conn // the owner of sync_roles
}

var readersMade sync.Once

// readers are the roles that the page names, with a login in each. They are the cluster's, and each database has rows of its own for them.
const readers = `
	create role analysts; create role managers; create role auditors;
	create role alice login in role analysts; create role bob login in role managers; create role carol login in role auditors`

func newWarehouse(t *testing.T) *warehouse {
	t.Helper()
	w := &warehouse{Env: pgtest.New(t)}
	w.writer = w.Role("etl")
	readersMade.Do(func() { w.Exec(t, readers) })
	w.Exec(t, fmt.Sprintf(`
		create role %[1]s login;
		grant connect on database %[2]s to %[1]s, alice, bob, carol;
		create schema %[1]s authorization %[1]s; -- for the tables of the migration tools
		create schema sales authorization %[3]s;
		grant usage on schema sales to public;
		set role %[3]s;
		create table sales.orders (id int);
		create table sales.customers (id int)`, w.writer, w.Database, w.Owner))
	w.call(t.Context(), t, "migrate")
	w.owner = w.Connect(t, w.Daemon)
	w.exec(t, fmt.Sprintf(`
		grant usage on schema sync_roles to %[1]s;
		grant select, insert, update, delete on sync_roles.desired_grants to %[1]s;
		insert into sync_roles.writers (writer_role, object_type, privileges, schema_like) values ('%[1]s', 'table', '{SELECT}', 'sales')`, w.writer))
	w.startDaemon(t)
	return w
}

func (w *warehouse) startDaemon(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.call(ctx, t, "run", "--log-level", "error")
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
}

// call runs pg-sync-roles as the daemon. All tests of the package share the cluster's lock, so it waits long.
func (w *warehouse) call(ctx context.Context, t *testing.T, args ...string) {
	t.Helper()
	var out strings.Builder
	if args[0] == "run" {
		args = append(args, "--lock-timeout", "1m")
	}
	if code := cli.Run(ctx, append(args, "-d", w.URL(w.Daemon)), strings.NewReader(""), &out, &out); code != 0 {
		t.Errorf("%s ended with %d: %s", args[0], code, out.String())
	}
}

// exec runs SQL as the owner of sync_roles.
func (w *warehouse) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := w.owner.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("run %s: %v", sql, err)
	}
}

// wait returns when the daemon has done all that was committed.
func (w *warehouse) wait(t *testing.T) {
	t.Helper()
	w.exec(t, "select sync_roles.wait_for_sync(null, '1 min')")
}

// rows lists the rows that a condition picks, in order.
func (w *warehouse) rows(t *testing.T, columns, where string) string {
	t.Helper()
	return pgtest.One[string](t, w.owner, fmt.Sprintf(`
		select coalesce(string_agg(concat_ws(' ', %s), E'\n' order by role_name, object_name), '') from sync_roles.desired_grants where %s`, columns, where))
}

// environ is how the clients are told where the database is.
func (w *warehouse) environ(t *testing.T, login string) []string {
	t.Helper()
	config, err := pgx.ParseConfig(w.URL(login))
	if err != nil {
		t.Fatal(err)
	}
	port := fmt.Sprint(config.Port)
	return append(os.Environ(), "PGHOST="+config.Host, "PGPORT="+port, "PGUSER="+login, "PGDATABASE="+w.Database, "PGSSLMODE=disable",
		"JDBC_URL=jdbc:postgresql://"+net.JoinHostPort(config.Host, port)+"/"+w.Database+"?user="+login)
}
