package reconcile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// Where patterns overlap, the exact row wins, then the oldest. The others are refused with the id of the winner.
func TestOwnerPatterns(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	nothing := f.nothingBorrowed(t)
	older, newer, exact := f.user(t, "older"), f.user(t, "newer"), f.user(t, "exact")
	first := f.add(t, row{role: older, privilege: "OWNER", objectType: "table", schema: "app", name: "%s", match: "like"})
	f.add(t, row{role: newer, privilege: "OWNER", objectType: "table", schema: "app", name: "(sales|costs|other)", match: "regex"})
	id := f.insert(t, exact, "OWNER", "table", "app", "sales")
	f.pending(t)
	f.owns(t, exact, "app.sales")
	f.owns(t, older, "app.costs")
	f.outcome(t, exact, plan.Applied)
	f.outcome(t, older, plan.Refused)
	f.outcome(t, newer, plan.Refused)
	f.problem(t, older, plan.Refused, "app.sales", fmt.Sprintf("desired grant %d", id))
	f.problem(t, newer, plan.Refused, "app.sales", fmt.Sprintf("desired grant %d", id))
	f.problem(t, newer, plan.Refused, "app.costs", fmt.Sprintf("desired grant %d", first))
	f.quiet(t)

	// What nobody else wants the loser gets.
	f.asOwner(t, "create table app.other (id int)")
	f.rescan(t)
	f.owns(t, newer, "app.other")
	f.quiet(t)

	// The winner's row goes: the next in line gets it. It may take two passes, but not somebody's help.
	f.delete(t, id)
	f.pending(t)
	f.rescan(t)
	f.owns(t, older, "app.sales")
	f.outcome(t, older, plan.Applied)
	f.quiet(t)
	f.delete(t, first)
	f.pending(t)
	f.rescan(t)
	f.owns(t, newer, "app.sales")
	f.owns(t, newer, "app.costs")
	f.quiet(t)
	f.write(t, "delete from sync_roles.desired_grants")
	f.pending(t)
	for _, object := range []string{"app.sales", "app.costs", "app.other"} {
		f.owns(t, f.Daemon, object)
	}
	f.quiet(t)
	nothing()
}

// A second OWNER row for the same name is refused at once, also from another session and by UPDATE.
func TestOwnerTwiceRefusedAtInsert(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.insert(t, f.Role("x"), "OWNER", "table", "app", "sales")
	refused := func(err error) {
		t.Helper()
		if err == nil {
			t.Error("a second OWNER row is taken")
			return
		}
		if code := sqlstate(t, err); code != "23505" || !strings.Contains(err.Error(), fmt.Sprint(id)) || !strings.Contains(err.Error(), f.Role("x")) {
			t.Errorf("refused with %s: %v", code, err)
		}
	}
	_, err := f.tryAdd(t, row{role: f.Role("y"), privilege: "OWNER", objectType: "table", schema: "app", name: "sales"})
	refused(err)
	other := f.insert(t, f.Role("y"), "OWNER", "table", "app", "costs")
	_, err = f.daemon.Exec(t.Context(), "update sync_roles.desired_grants set object_name = 'sales' where id = $1", other)
	refused(err)
	// A table of another schema and a sequence of the same name are other objects.
	f.insert(t, f.Role("y"), "OWNER", "table", "app2", "sales")
	f.insert(t, f.Role("y"), "OWNER", "sequence", "app", "sales")

	// Two in one statement.
	_, err = f.daemon.Exec(t.Context(), `insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name)
		values ($1, 'OWNER', 'schema', 's'), ($2, 'OWNER', 'schema', 's')`, f.Role("x"), f.Role("y"))
	if err == nil || sqlstate(t, err) != "23505" {
		t.Errorf("two in one statement: %v", err)
	}

	// Two sessions: the second waits for the first, and is refused.
	tx, err := f.daemon.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	insert := "insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name) values ($1, 'OWNER', 'schema', 'raced')"
	if _, err := tx.Exec(t.Context(), insert, f.Role("x")); err != nil {
		t.Fatal(err)
	}
	second := f.Connect(t, f.Daemon)
	done := make(chan error, 1)
	go func() {
		_, err := second.Exec(t.Context(), insert, f.Role("y"))
		done <- err
	}()
	for pgtest.One[int](t, f.super, "select count(*)::int from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") == 0 {
		select {
		case err := <-done:
			t.Fatalf("the second session does not wait: %v", err)
		default:
		}
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil || sqlstate(t, err) != "23505" {
		t.Errorf("two sessions: %v", err)
	}
}

// What another role's row asks for is left to that; if the row goes before it was served, the former owner does not keep it.
func TestOwnerLeftToAnotherInVain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	policy := defaultPolicy
	policy.Protect = []string{bob}
	f.engine = f.engineWith(t, policy)
	id := f.insert(t, alice, "OWNER", "table", "app", "sales")
	f.pending(t)
	f.owns(t, alice, "app.sales")
	f.delete(t, id)
	id = f.insert(t, bob, "OWNER", "table", "app", "sales")
	f.pending(t)
	f.owns(t, alice, "app.sales")
	f.outcome(t, bob, plan.Refused)
	f.quiet(t)
	f.delete(t, id)
	f.pending(t)
	f.rescan(t)
	f.owns(t, f.Daemon, "app.sales")
	f.is(t, false, "exists (select from sync_roles.withdrawn)")
	f.quiet(t)
}
