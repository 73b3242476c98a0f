package migrations_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/migrations"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

func TestMain(m *testing.M) {
	installAndDie()
	pgtest.Main(m)
}

func parse(tb testing.TB, url string) *pgx.ConnConfig {
	tb.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		tb.Fatal(err)
	}
	return config
}

func up(tb testing.TB, env *pgtest.Env) {
	tb.Helper()
	version, err := migrations.Up(tb.Context(), parse(tb, env.URL(env.Daemon)))
	if err != nil {
		tb.Fatalf("install: %v", err)
	}
	if version != migrations.Latest() {
		tb.Fatalf("installed version %d, want %d", version, migrations.Latest())
	}
}

// installed makes a database with the schema in it.
func installed(tb testing.TB) *pgtest.Env {
	tb.Helper()
	return pgtest.NewInstalled(tb, func(ctx context.Context, config *pgx.ConnConfig) error {
		_, err := migrations.Up(ctx, config)
		return err
	})
}

type execer interface {
	pgtest.Querier
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

func execute(tb testing.TB, conn execer, sql string, args ...any) {
	tb.Helper()
	if _, err := conn.Exec(tb.Context(), sql, args...); err != nil {
		tb.Fatalf("run %s: %v", sql, err)
	}
}

// engine connects a reconciler as the daemon.
func engine(tb testing.TB, env *pgtest.Env) *reconcile.Engine {
	tb.Helper()
	e, err := reconcile.Open(tb.Context(), parse(tb, env.URL(env.Daemon)), reconcile.Config{
		Policy:      plan.Policy{MaxDirectGrantees: 500, PruneEmptyAfterSecs: 3600},
		LockTimeout: time.Minute, // all tests of the package share the cluster's lock
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = e.Close(tb.Context()) })
	return e
}

func syncAll(tb testing.TB, e *reconcile.Engine) {
	tb.Helper()
	if _, err := e.Sync(tb.Context(), nil, false); err != nil {
		tb.Fatalf("sync: %v", err)
	}
}

// A row is a row of a table, by column. What is not in it keeps its default.
type row map[string]any

func (r row) with(other row) row {
	merged := maps.Clone(r)
	maps.Copy(merged, other)
	return merged
}

func (r row) without(columns ...string) row {
	rest := maps.Clone(r)
	maps.DeleteFunc(rest, func(column string, _ any) bool { return slices.Contains(columns, column) })
	return rest
}

func (r row) insert(table string) (sql string, args []any) {
	columns := slices.Sorted(maps.Keys(r))
	places := make([]string, len(columns))
	for i, column := range columns {
		places[i] = fmt.Sprintf("$%d", i+1)
		args = append(args, r[column])
	}
	return fmt.Sprintf("insert into sync_roles.%s (%s) values (%s)", table, strings.Join(columns, ", "), strings.Join(places, ", ")), args
}

// try inserts a row and takes it back.
func (r row) try(tb testing.TB, conn *pgx.Conn, table string) error {
	tb.Helper()
	sql, args := r.insert(table)
	return tryExec(tb, conn, sql, args...)
}

// tryExec runs a statement and takes it back.
func tryExec(tb testing.TB, conn *pgx.Conn, sql string, args ...any) error {
	tb.Helper()
	tx, err := conn.Begin(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	_, err = tx.Exec(tb.Context(), sql, args...)
	if rollbackErr := tx.Rollback(tb.Context()); rollbackErr != nil {
		tb.Fatal(rollbackErr)
	}
	return err
}

func (r row) mustInsert(tb testing.TB, conn execer, table string) {
	tb.Helper()
	sql, args := r.insert(table)
	execute(tb, conn, sql, args...)
}

// grantRow is a good row of desired_grants.
func grantRow(role string) row {
	return row{"role_name": role, "privilege": "SELECT", "object_type": "table", "schema_name": "s", "object_name": "t"}
}

func sqlState(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}

// everything is all that PostgreSQL says about an error.
func everything(err error) string {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return fmt.Sprint(err)
	}
	return fmt.Sprintf("%+v", *pgErr)
}

func list[T any](tb testing.TB, conn pgtest.Querier, sql string, args ...any) []T {
	tb.Helper()
	rows, err := conn.Query(tb.Context(), sql, args...)
	if err != nil {
		tb.Fatalf("run %s: %v", sql, err)
	}
	values, err := pgx.CollectRows(rows, pgx.RowTo[T])
	if err != nil {
		tb.Fatalf("run %s: %v", sql, err)
	}
	return values
}

func wantError(tb testing.TB, err error, words ...string) {
	tb.Helper()
	if err == nil {
		tb.Errorf("no error, want one with %q", words)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			tb.Errorf("the error has no %q: %v", word, err)
		}
	}
}
