package migrations_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// exceeded checks that an error is about a limit of writers, and says how much it is and how many there are.
func exceeded(t *testing.T, err error, column, limit, count string) {
	t.Helper()
	var e *pgconn.PgError
	if !errors.As(err, &e) || e.Code != "54000" || e.TableName != "writers" || e.ColumnName != column {
		t.Errorf("want %s exceeded: %s", column, everything(err))
		return
	}
	wantError(t, err, column+" "+limit+" is exceeded", " "+count+" ")
}

func many(role, what string, from, to int) string {
	return fmt.Sprintf(`insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match, direct)
		select '%s', 'SELECT', 'table', 's', 't' || i, %s from generate_series(%d, %d) as i`, role, what, from, to)
}

// A limit is a column of writers, and the name_match and direct of the rows that it counts.
type limit struct {
	values, column string
	max            int
}

// check writes as many rows as the limit allows, and tries more in every way.
func (l limit) check(t *testing.T, writer *pgx.Conn, role string) {
	t.Helper()
	refused := func(err error, count int) {
		t.Helper()
		exceeded(t, err, l.column, fmt.Sprint(l.max), fmt.Sprint(count))
	}
	refused(tryExec(t, writer, many(role, l.values, 1, l.max+3)), l.max+3)
	execute(t, writer, many(role, l.values, 1, l.max))
	refused(tryExec(t, writer, many(role, l.values, l.max+1, l.max+1)), l.max+1)
	// One whose attempts use ids up.
	tx, err := writer.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		nested, err := tx.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = nested.Exec(t.Context(), many(role, l.values, l.max+1, l.max+1))
		refused(err, l.max+1)
		_ = nested.Rollback(t.Context())
	}
	_ = tx.Rollback(t.Context())
	// A row that is deleted makes room.
	execute(t, writer, "delete from sync_roles.desired_grants where object_name = 't1'")
	execute(t, writer, many(role, l.values, l.max+1, l.max+1))
}

// A login has no more rows, different patterns and direct rows than its scopes allow, however it writes them. The owner is not bound.
func TestLimits(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role, writer := newWriter(t, env, "etl")
	row{"writer_role": role, "max_rows": 10, "max_patterns": 3, "max_direct": 4, "may_create_roles": true}.mustInsert(t, owner, "writers")
	for _, l := range []limit{
		{"'exact', null", "max_rows", 10},
		{"'like', null", "max_patterns", 3},
		{"'regex', null", "max_patterns", 3},
		{"'exact', true", "max_direct", 4},
	} {
		l.check(t, writer, role)
		// The owner is not bound.
		execute(t, owner, many("alice", l.values, 1, 2*l.max))
		execute(t, owner, "delete from sync_roles.desired_grants")
	}

	// An UPDATE makes no pattern and no direct row too many either.
	execute(t, writer, many(role, "'exact', null", 1, 8))
	exceeded(t, tryExec(t, writer, "update sync_roles.desired_grants set direct = true"), "max_direct", "4", "8")
	exceeded(t, tryExec(t, writer, "update sync_roles.desired_grants set name_match = 'like'"), "max_patterns", "3", "8")
	execute(t, writer, "update sync_roles.desired_grants set direct = true where object_name < 't5'")
	execute(t, writer, "update sync_roles.desired_grants set note = 'x'")

	// A pattern that many have is one.
	execute(t, owner, "update sync_roles.writers set max_rows = 1000")
	execute(t, writer, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match)
		select 'u' || i % 50, 'SELECT', 'table', 's', 'p' || i / 50, 'like' from generate_series(0, 149) as i`)
	for name, other := range map[string]string{
		"schema": "'SELECT', 'table', 's2', 'p0', 'like', null", "privilege": "'INSERT', 'table', 's', 'p0', 'like', null",
		"match": "'SELECT', 'table', 's', 'p0', 'regex', null", "type": "'SELECT', 'sequence', 's', 'p0', 'like', null", "column": "'SELECT', 'table', 's', 'p0', 'like', 'c'",
	} {
		err := tryExec(t, writer, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match, column_name) values ('u1', "+other+")")
		if err == nil {
			t.Errorf("a pattern with another %s is not counted", name)
			continue
		}
		exceeded(t, err, "max_patterns", "3", "4")
	}
}

// The limits are those of the scopes that allow the row: the greatest of them.
func TestLimitsOfSeveralScopes(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role, writer := newWriter(t, env, "etl")
	row{"writer_role": role, "schema_like": "s", "max_rows": 3}.mustInsert(t, owner, "writers")
	row{"writer_role": role, "schema_like": "s%", "max_rows": 5}.mustInsert(t, owner, "writers")
	row{"writer_role": role, "schema_like": "x", "max_rows": 100}.mustInsert(t, owner, "writers")
	execute(t, writer, many(role, "'exact', null", 1, 5))
	exceeded(t, tryExec(t, writer, many(role, "'exact', null", 6, 6)), "max_rows", "5", "6")
	if err := grantRow(role).with(row{"schema_name": "x"}).try(t, writer, "desired_grants"); err != nil {
		t.Errorf("in a scope with a greater limit: %v", err)
	}
	// Another login of the same scope has its own count.
	other, otherConn := newWriter(t, env, "other")
	env.Exec(t, "grant "+role+" to "+other)
	execute(t, otherConn, many(other, "'exact', null", 1, 5))
}

// Ids are counted instead of rows where that is enough, and not more often than that.
func TestManyRowsAreCountedSeldom(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role, writer := newWriter(t, env, "etl")
	row{"writer_role": role, "max_rows": 3000}.mustInsert(t, owner, "writers")
	execute(t, writer, many(role, "'exact', null", 1, 2000)) // draws 4,000 ids
	counts := func() string {
		return pgtest.One[string](t, owner, "select coalesce(string_agg(writer || ' ' || rows || ' ' || sequence, ','), '') from sync_roles.row_counts")
	}
	first := counts()
	if first != role+" 2000 4000" {
		t.Fatalf("counted %q", first)
	}
	for i := range 20 {
		execute(t, writer, many(role, "'exact', null", 2001+i, 2001+i))
	}
	if now := counts(); now != first {
		t.Errorf("20 rows were counted anew: %s", now)
	}
	exceeded(t, tryExec(t, writer, many(role, "'exact', null", 3000, 4000)), "max_rows", "3000", "3021")
	execute(t, writer, many(role, "'exact', null", 2021, 3000))
	exceeded(t, tryExec(t, writer, many(role, "'exact', null", 3001, 3001)), "max_rows", "3000", "3001")
}

// Transactions of one login do not wait for each other.
func TestLimitsLockNothing(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role, writer := newWriter(t, env, "etl")
	row{"writer_role": role, "max_rows": 4000, "max_direct": 3000}.mustInsert(t, owner, "writers")
	execute(t, writer, many(role, "'exact', true", 1, 1500))
	txs := make([]pgx.Tx, 3)
	for i := range txs {
		conn := env.Connect(t, role)
		execute(t, conn, "set lock_timeout = '5s'")
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		execute(t, tx, many(role, "'exact', true", 2000+100*i, 2090+100*i))
		execute(t, tx, many(role, "'like', null", 3000+i, 3000+i))
		txs[i] = tx
	}
	for _, tx := range txs {
		if err := tx.Commit(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
