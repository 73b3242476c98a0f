package migrations_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

// wasNotified reports whether a session that listens is told of anything; a notification from itself comes last, and ends the wait.
func wasNotified(t *testing.T, listener *pgx.Conn) bool {
	t.Helper()
	execute(t, listener, "notify sync_roles, 'end'")
	yes := false
	for {
		n, err := listener.WaitForNotification(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n.Payload == "end" {
			return yes
		}
		yes = true
	}
}

// markPass lets writers believe that a pass is under way until the test ends.
func markPass(t *testing.T, env *pgtest.Env) {
	t.Helper()
	conn := env.Connect(t, env.Daemon)
	execute(t, conn, "begin")
	if !pgtest.One[bool](t, conn, "select sync_roles.mark_pass()") {
		t.Fatal("a pass is under way already")
	}
}

// While a pass is under way, one of many writers wakes the daemons, who look at the queue until it is empty: PostgreSQL lets those that notify commit only one after
// the other. The others may leave it out if the queue holds committed rows of others in the moment, and no moment before.
func TestOneWriterOfManyNotifies(t *testing.T) {
	t.Parallel()
	env := installed(t)
	e := engine(t, env)
	listener := env.Connect(t, env.Daemon)
	execute(t, listener, "listen sync_roles")
	first, second := env.Connect(t, env.Daemon), env.Connect(t, env.Daemon)
	write := func(conn *pgx.Conn, name string) {
		t.Helper()
		row{"role_name": env.Role("alice"), "privilege": "SELECT", "object_type": "table", "schema_name": "s", "object_name": name}.mustInsert(t, conn, "desired_grants")
	}
	remove := func(conn *pgx.Conn, name string) {
		t.Helper()
		execute(t, conn, "delete from sync_roles.desired_grants where object_name = '"+name+"'")
	}
	expect := func(what string, want bool) {
		t.Helper()
		if got := wasNotified(t, listener); got != want {
			t.Errorf("%s: a notification: %t, want %t", what, got, want)
		}
	}
	serve := func() {
		t.Helper()
		if _, err := e.ServeQueue(t.Context(), audit.Notify); err != nil {
			t.Fatal(err)
		}
	}
	write(first, "a")
	expect("the first row", true)
	write(second, "b")
	expect("a row while no pass is under way", true)
	serve()
	remove(second, "b")
	serve()
	markPass(t, env)
	write(first, "a'")
	expect("the first row in a pass", true)
	write(second, "b")
	expect("a row while another waits", false)
	remove(second, "b")
	expect("a deletion while others wait", false)
	serve()
	write(second, "b")
	expect("a row when the queue was served", true)

	for _, isolation := range []string{"repeatable read", "serializable"} {
		execute(t, second, "begin isolation level "+isolation+"; select from sync_roles.pending")
		serve()
		write(second, isolation)
		execute(t, second, "commit")
		expect("a row written in "+isolation+", which sees the queue as it was", true)
	}

	serve()
	execute(t, first, "begin")
	write(first, "c")
	write(first, "d")
	execute(t, second, "begin")
	write(second, "e") // it does not see uncommitted rows
	execute(t, first, "commit")
	expect("two rows of one transaction", true)
	execute(t, second, "rollback")
	expect("what was rolled back", false)

	execute(t, first, "select pg_advisory_lock(1937337955, 1919904869)") // as any login can
	write(second, "f")
	expect("a row while another has the lock", true)
	execute(t, first, "select pg_advisory_unlock_all()")
}

// A row without a notification is found all the same: a daemon does not come to rest before its writer is done.
func TestDaemonsAwaitWritersThatDoNotNotify(t *testing.T) {
	t.Parallel()
	env := installed(t)
	e := engine(t, env)
	first, second := env.Connect(t, env.Daemon), env.Connect(t, env.Daemon)
	markPass(t, env)
	connectRow(env, env.Role("alice")).mustInsert(t, first, "desired_grants")
	execute(t, second, "begin")
	connectRow(env, env.Role("bob")).mustInsert(t, second, "desired_grants") // in the queue are alice's, and so no notification is sent
	look := func(more bool) {
		t.Helper()
		report, err := e.ServeQueue(t.Context(), audit.Notify)
		if err != nil {
			t.Fatal(err)
		}
		if report.MoreToCome != more {
			t.Errorf("more is to come: %t, want %t", report.MoreToCome, more)
		}
	}
	look(true)
	execute(t, second, "commit")
	look(false)
	for _, name := range []string{"alice", "bob"} {
		if !pgtest.One[bool](t, first, "select has_database_privilege($1, current_database(), 'CONNECT') from pg_roles where rolname = $1", env.Role(name)) {
			t.Errorf("%s was not served", name)
		}
	}
	if n := pgtest.One[int](t, first, "select count(*) from sync_roles.pending"); n != 0 {
		t.Errorf("%d requests are left", n)
	}
}
