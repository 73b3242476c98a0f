package migrations_test

import (
	"strings"
	"testing"

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
	env := installed(t)
	first := env.Connect(t, env.Daemon)
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
