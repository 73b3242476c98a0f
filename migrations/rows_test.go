package migrations_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

type badRow struct {
	name   string
	row    row
	column string   // which the message begins with, and which the error names
	words  []string // what else the message says: the value, what is allowed
}

// refuse checks that the rows are refused on INSERT, and that the message names column, value and what is allowed.
func refuse(t *testing.T, conn *pgx.Conn, table string, rows []badRow) {
	t.Helper()
	for _, bad := range rows {
		err := bad.row.try(t, conn, table)
		var pgErr *pgconn.PgError
		if !errors.As(err, &pgErr) || pgErr.Code != "23514" {
			t.Errorf("%s: got %v, want a check_violation", bad.name, err)
			continue
		}
		if !strings.HasPrefix(pgErr.Message, bad.column+" ") || pgErr.ColumnName != bad.column || pgErr.TableName != table {
			t.Errorf("%s: the error is about column %q of %q, want %q: %s", bad.name, pgErr.ColumnName, pgErr.TableName, bad.column, pgErr.Message)
		}
		for _, word := range bad.words {
			if !strings.Contains(pgErr.Message, word) {
				t.Errorf("%s: the message has no %q: %s", bad.name, word, pgErr.Message)
			}
		}
	}
}

var (
	long      = strings.Repeat("x", 64)
	longBytes = strings.Repeat("é", 32) // 32 characters, 64 bytes
	schemaRow = row{"role_name": "alice", "privilege": "USAGE", "object_type": "schema", "object_name": "s"}
	memberRow = row{"role_name": "alice", "privilege": "MEMBER", "object_type": "role", "object_name": "staff"}
)

// What is not said has the default that the README gives.
func TestCreatedByAndDefaults(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	grantRow("alice").mustInsert(t, conn, "desired_grants")
	got := pgtest.One[string](t, conn, `select concat_ws(',', name_match, grantable, create_if_not_exists, direct is null, expires_at is null, created_by, created_at > now() - interval '1 min')
		from sync_roles.desired_grants`)
	if want := "exact,f,f,t,t," + env.Daemon + ",t"; got != want {
		t.Errorf("defaults are %s, want %s", got, want)
	}
}

// The same grant cannot be written twice, and ON CONFLICT DO NOTHING makes an INSERT that can be run again.
func TestDuplicates(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	first := grantRow("alice")
	first.mustInsert(t, conn, "desired_grants")
	for name, other := range map[string]row{
		"the same":       first,
		"another note":   first.with(row{"note": "x"}),
		"another direct": first.with(row{"direct": true}),
		"grantable":      first.with(row{"grantable": true}),
		"expiring":       first.with(row{"expires_at": "2030-01-01"}),
	} {
		if err := other.try(t, conn, "desired_grants"); sqlState(err) != "23505" {
			t.Errorf("%s: %v, want a unique_violation", name, err)
		}
	}
	for name, other := range map[string]row{
		"another role":       first.with(row{"role_name": "Alice"}),
		"another privilege":  first.with(row{"privilege": "INSERT"}),
		"another type":       first.with(row{"object_type": "sequence"}),
		"another schema":     first.with(row{"schema_name": "s2"}),
		"another name":       first.with(row{"object_name": "T"}),
		"another name_match": first.with(row{"name_match": "like"}),
		"a column":           first.with(row{"column_name": "c"}),
	} {
		if err := other.try(t, conn, "desired_grants"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	// Also where schema and column are NULL, which a unique constraint would take for different.
	schemaRow.mustInsert(t, conn, "desired_grants")
	if err := schemaRow.try(t, conn, "desired_grants"); sqlState(err) != "23505" {
		t.Errorf("a second row without schema: %v", err)
	}
	execute(t, conn, "delete from sync_roles.pending")
	for range 2 {
		sql, args := schemaRow.insert("desired_grants")
		execute(t, conn, sql+" on conflict do nothing", args...)
	}
	if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.desired_grants where object_type = 'schema'"); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
	if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.pending"); n != 0 {
		t.Errorf("an INSERT that did nothing queued %d requests", n)
	}
}

// What is refused on INSERT is refused on UPDATE.
func TestUpdatesAreChecked(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	grantRow("alice").mustInsert(t, conn, "desired_grants")
	row{"role_name": "alice"}.mustInsert(t, conn, "desired_roles")
	for _, set := range []string{
		"privilege = 'USAGE'", "role_name = 'pg_x'", "schema_name = null", "schema_name = 'sync_roles'",
		"name_match = 'regex', object_name = '(?i)x'", "object_name = repeat('x', 64)", "column_name = ''",
	} {
		if err := tryExec(t, conn, "update sync_roles.desired_grants set "+set); sqlState(err) != "23514" {
			t.Errorf("%s: %v, want a check_violation", set, err)
		}
	}
	for _, set := range []string{"role_name = '_pgsr_x'", "password_verifier = 'hunter2'", "revoke_other = '{everything}'", "connection_limit = -2"} {
		if err := tryExec(t, conn, "update sync_roles.desired_roles set "+set); sqlState(err) != "23514" {
			t.Errorf("%s: %v, want a check_violation", set, err)
		}
	}
	err := tryExec(t, conn, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('alice', 'SELECT', 'table', 's', 't')
		on conflict (role_name, selector) do update set privilege = 'USAGE'`)
	if sqlState(err) != "23514" {
		t.Errorf("ON CONFLICT DO UPDATE: %v, want a check_violation", err)
	}
}

// One bad row among a thousand keeps out all of them.
func TestCopyIsAllOrNothing(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	copyRows := func(badAt int) (int64, error) {
		return conn.CopyFrom(t.Context(), pgx.Identifier{"sync_roles", "desired_grants"},
			[]string{"role_name", "privilege", "object_type", "schema_name", "object_name"},
			pgx.CopyFromSlice(1000, func(i int) ([]any, error) {
				privilege := "SELECT"
				if i == badAt {
					privilege = "SELEKT"
				}
				return []any{fmt.Sprintf("role%d", i%10), privilege, "table", "s", fmt.Sprintf("t%d", i)}, nil
			}))
	}
	_, err := copyRows(777)
	wantError(t, err, "privilege", "'SELEKT'", "SELECT")
	if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.desired_grants"); n != 0 {
		t.Errorf("%d rows of a refused COPY are there", n)
	}
	if _, err := copyRows(-1); err != nil {
		t.Error(err)
	}
	got := pgtest.One[string](t, conn, "select (select count(*) from sync_roles.desired_grants) || ' ' || (select count(*) from sync_roles.pending)")
	if got != "1000 10" {
		t.Errorf("rows and requests after a COPY for 10 roles: %s, want 1000 10", got)
	}
}
