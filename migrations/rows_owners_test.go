package migrations_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// An object has one owner: a second OWNER row for the same name is refused, however it comes.
func TestSecondOwner(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	first := grantRow("alice").with(row{"privilege": "OWNER"})
	first.mustInsert(t, conn, "desired_grants")
	second := first.with(row{"role_name": "bob"})

	wantRefused := func(name string, err error) {
		t.Helper()
		if sqlState(err) != "23505" || !strings.Contains(err.Error(), "'alice'") || !strings.Contains(err.Error(), "one owner") {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantRefused("INSERT", second.try(t, conn, "desired_grants"))
	sql, args := second.insert("desired_grants")
	wantRefused("INSERT … ON CONFLICT DO NOTHING", tryExec(t, conn, sql+" on conflict do nothing", args...))
	wantRefused("INSERT … SELECT of both", tryExec(t, conn, `insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name)
		select r, 'OWNER', 'schema', 'one owner only: ''alice''' from unnest('{alice,bob}'::text[]) as r`))
	second.with(row{"object_name": "t2"}).mustInsert(t, conn, "desired_grants")
	wantRefused("UPDATE", tryExec(t, conn, "update sync_roles.desired_grants set object_name = 't' where role_name = 'bob'"))

	// The same again is no second owner; nor is another object of that name, or a pattern.
	sql, args = first.insert("desired_grants")
	execute(t, conn, sql+" on conflict do nothing", args...)
	for name, other := range map[string]row{
		"another schema": second.with(row{"schema_name": "s2"}),
		"another type":   second.with(row{"object_type": "sequence"}),
		"a pattern":      second.with(row{"name_match": "like"}),
	} {
		if err := other.try(t, conn, "desired_grants"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Handed over in one statement, or in one transaction.
	if err := tryExec(t, conn, "update sync_roles.desired_grants set role_name = 'carol' where role_name = 'alice'"); err != nil {
		t.Errorf("a new owner by UPDATE: %v", err)
	}
}

// Two sessions that name different owners at the same time do not get past each other.
func TestSecondOwnerAtTheSameTime(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{false, true} {
		t.Run(fmt.Sprintf("known %t", known), func(t *testing.T) {
			t.Parallel()
			secondOwnerAtTheSameTime(t, known)
		})
	}
}

// secondOwnerAtTheSameTime tries it for an object that had an OWNER row before, or had none.
func secondOwnerAtTheSameTime(t *testing.T, known bool) {
	t.Helper()
	env := installed(t)
	first := env.Connect(t, env.Daemon)
	if known {
		grantRow("carol").with(row{"privilege": "OWNER"}).mustInsert(t, first, "desired_grants")
		execute(t, first, "delete from sync_roles.desired_grants")
	}
	tx, err := first.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	grantRow("alice").with(row{"privilege": "OWNER"}).mustInsert(t, tx, "desired_grants")

	second := env.Connect(t, env.Daemon)
	pid := pgtest.One[int](t, second, "select pg_backend_pid()")
	sql, args := grantRow("bob").with(row{"privilege": "OWNER"}).insert("desired_grants")
	done := make(chan error, 1)
	go func() {
		_, err := second.Exec(t.Context(), sql, args...)
		done <- err
	}()
	until(t, env.Superuser(t), "select cardinality(pg_blocking_pids($1)) > 0", pid)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; sqlState(err) != "23505" {
		t.Errorf("the second owner was let in: %v", err)
	}
}

// Whoever writes an OWNER row and keeps the transaction open keeps back other OWNER rows for that object, and nothing else.
func TestOwnerRowsLockOneObject(t *testing.T) {
	t.Parallel()
	env := installed(t)
	tx, err := env.Connect(t, env.Daemon).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	own := grantRow("alice").with(row{"privilege": "OWNER"})
	own.mustInsert(t, tx, "desired_grants")

	conn := env.Connect(t, env.Daemon)
	execute(t, conn, "set lock_timeout = '100 ms'")
	for name, r := range map[string]row{
		"another table": own.with(row{"object_name": "t2"}), "another schema": own.with(row{"schema_name": "s2"}), "another type": own.with(row{"object_type": "sequence"}),
		"a pattern": own.with(row{"name_match": "like"}), "another privilege": own.with(row{"privilege": "SELECT"}), "a schema": schemaRow.with(row{"privilege": "OWNER", "object_name": "t"}),
	} {
		if err := r.try(t, conn, "desired_grants"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := tryExec(t, conn, "update sync_roles.installation set schema_version = schema_version"); err != nil {
		t.Errorf("a migration: %v", err)
	}
	if err := own.with(row{"role_name": "bob"}).try(t, conn, "desired_grants"); sqlState(err) != "55P03" {
		t.Errorf("the same object: %v", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	own.with(row{"role_name": "bob"}).mustInsert(t, conn, "desired_grants")
}

// Two that name the same objects in another order do not wait for each other.
func TestOwnerRowsInAnyOrder(t *testing.T) {
	t.Parallel()
	env := installed(t)
	insert := `insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name)
		select $1, 'OWNER', 'schema', 'o' || i from generate_series(1, 50) as i order by i `
	done := make(chan error, 8)
	for i := range cap(done) {
		conn := env.Connect(t, env.Daemon)
		order := []string{"asc", "desc"}[i%2]
		go func() {
			_, err := conn.Exec(t.Context(), insert+order, "owner"+order)
			done <- err
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil && sqlState(err) != "23505" {
			t.Errorf("%v", err)
		}
	}
	if n := pgtest.One[int](t, env.Connect(t, env.Daemon), "select count(*) from sync_roles.desired_grants"); n != 50 {
		t.Errorf("%d objects have an owner, want 50", n)
	}
}

// Claims of what has an owner no more are deleted, but not while somebody is about to write one.
func TestClaimsAreForgotten(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	own := grantRow("alice").with(row{"privilege": "OWNER"})
	for _, name := range []string{"kept", "gone", "held"} {
		own.with(row{"object_name": name}).mustInsert(t, conn, "desired_grants")
	}
	execute(t, conn, "delete from sync_roles.desired_grants where object_name <> 'kept'")
	tx, err := env.Connect(t, env.Daemon).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	own.with(row{"object_name": "held"}).mustInsert(t, tx, "desired_grants")
	if _, err := engine(t, env).Retain(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := list[string](t, conn, "select object_name from sync_roles.ownership_claims order by 1"); !slices.Equal(got, []string{"held", "kept"}) {
		t.Errorf("claims: %v", got)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}
