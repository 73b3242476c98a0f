package pgtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
)

// An Env is what one test has to itself.
type Env struct {
	Database string // the test's own, with no CONNECT for PUBLIC
	Daemon   string // owner of the database; LOGIN CREATEROLE, no superuser, member of Owner
	Owner    string // to own the application's objects; NOLOGIN; may CREATE and CONNECT on the database
	Prefix   string // of every role that the test makes
	Version  int    // PostgreSQL's major version

	server   *pgserver.Server
	template string // of the database; PostgreSQL's own if empty
}

var envs atomic.Int64

// New makes a database and its roles, which are gone after the test, as are all other roles with the prefix. Tests that
// use it may run in parallel.
func New(tb testing.TB) *Env {
	tb.Helper()
	return newFrom(tb, "")
}

func newFrom(tb testing.TB, template string) *Env {
	tb.Helper()
	prefix := fmt.Sprintf("t%d_", envs.Add(1))
	e := &Env{
		Database: prefix + "db",
		Daemon:   prefix + "daemon",
		Owner:    prefix + "owner",
		Prefix:   prefix,
		server:   Server(tb),
		template: template,
	}
	tb.Cleanup(func() { e.drop(tb) })
	if err := e.create(tb.Context()); err != nil {
		tb.Fatalf("make database %q for the test: %v", e.Database, err)
	}
	return e
}

func (e *Env) create(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, e.adminURL())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	if err := conn.QueryRow(ctx, "select current_setting('server_version_num')::int / 10000").Scan(&e.Version); err != nil {
		return err
	}
	for _, sql := range e.setUp() {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("run %s: %w", sql, err)
		}
	}
	return nil
}

// setUp is what a DBA does before pg-sync-roles is installed.
func (e *Env) setUp() []string {
	// In one statement with the other, create database would be in a transaction.
	statements := []string{
		"create role " + e.Daemon + " login createrole; create role " + e.Owner,
		"create database " + e.Database + " owner " + e.Daemon + e.strategy(),
		"revoke connect on database " + e.Database + " from public;" +
			"grant connect, create on database " + e.Database + " to " + e.Owner,
	}
	if e.Version < 16 {
		return append(statements, "grant "+e.Owner+" to "+e.Daemon)
	}
	return append(statements,
		"grant "+e.Owner+" to "+e.Daemon+" with inherit true, set true, admin false;"+
			"grant "+lockRole+" to "+e.Daemon+" with admin true, inherit false, set false")
}

// strategy chooses the faster way to copy the template where there is a choice.
func (e *Env) strategy() string {
	var options string
	if e.template != "" {
		options = " template " + e.template
	}
	if e.Version >= 15 {
		options += " strategy file_copy"
	}
	return options
}

// Role returns the name with the test's prefix. Since PostgreSQL 19 no role can have a line break in its name: there it has a pilcrow.
func (e *Env) Role(name string) string {
	if e.Version >= 19 {
		name = strings.NewReplacer("\n", "¶", "\r", "¶").Replace(name)
	}
	return e.Prefix + name
}

// URL returns the connection string of a role in the test's database.
func (e *Env) URL(role string) string { return e.server.URL(role, e.Database) }

// adminURL is that of the superuser outside of the test's database.
func (e *Env) adminURL() string { return e.server.URL(pgserver.Superuser, "postgres") }

// Superuser connects as a superuser.
func (e *Env) Superuser(tb testing.TB) *pgx.Conn {
	tb.Helper()
	return e.Connect(tb, pgserver.Superuser)
}

// Connect logs in as the role. The connection is closed after the test.
func (e *Env) Connect(tb testing.TB, role string) *pgx.Conn {
	tb.Helper()
	conn, err := e.TryConnect(tb.Context(), role)
	if err != nil {
		tb.Fatalf("log in as %q: %v", role, err)
	}
	tb.Cleanup(func() { _ = conn.Close(context.WithoutCancel(tb.Context())) })
	return conn
}

// TryConnect logs in as the role. The caller closes the connection.
func (e *Env) TryConnect(ctx context.Context, role string) (*pgx.Conn, error) {
	return pgx.Connect(ctx, e.URL(role))
}

// Exec runs SQL as superuser in the test's database. Without arguments it may be several statements.
func (e *Env) Exec(tb testing.TB, sql string, args ...any) {
	tb.Helper()
	conn, err := e.TryConnect(tb.Context(), pgserver.Superuser)
	if err != nil {
		tb.Fatalf("log in as superuser: %v", err)
	}
	defer func() { _ = conn.Close(tb.Context()) }()
	if _, err := conn.Exec(tb.Context(), sql, args...); err != nil {
		tb.Fatalf("run %s: %v", sql, err)
	}
}

// Can logs in as the role and tells if it may run the SQL, which is rolled back: false if PostgreSQL refuses the login
// or the SQL for lack of a privilege. Any other error fails the test.
func (e *Env) Can(tb testing.TB, role, sql string) bool {
	tb.Helper()
	err := e.try(tb.Context(), role, sql)
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.Code == "42501" { // insufficient_privilege
		return false
	}
	if err != nil {
		tb.Fatalf("run %s as %q: %v", sql, role, err)
	}
	return true
}

func (e *Env) try(ctx context.Context, role, sql string) error {
	conn, err := e.TryConnect(ctx, role)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	_, err = tx.Exec(ctx, sql)
	return err
}

// A Querier is a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// One returns the one value of the one row that the query must give.
func One[T any](tb testing.TB, conn Querier, sql string, args ...any) T {
	tb.Helper()
	rows, err := conn.Query(tb.Context(), sql, args...)
	if err != nil {
		tb.Fatalf("run %s: %v", sql, err)
	}
	value, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	if err != nil {
		tb.Fatalf("run %s: %v", sql, err)
	}
	return value
}
