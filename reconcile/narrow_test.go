package reconcile_test

import (
	"slices"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// One more row is served without a look at the role's other rows, whose drift the next rescan finds.
func TestNarrowNewRow(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.insert(t, bob, "SELECT", "table", "app", "costs")
	f.pending(t)
	f.asOwner(t, "revoke select on app.sales from "+alice)
	f.insert(t, alice, "SELECT", "table", "app", "costs")
	f.pending(t)
	f.can(t, alice, "select from app.costs")
	f.cannot(t, alice, "select from app.sales")
	if got := f.last(t, alice); got.Granted != 1 || len(got.Statements) != 1 {
		t.Errorf("the pass over one more row: %v", got)
	}
	f.rescan(t)
	f.can(t, alice, "select from app.sales")
	f.can(t, bob, "select from app.costs")
	f.quiet(t)
}

// A role with something in the way keeps saying so when it gets another row.
func TestNarrowNotWhenAnotherRowWaits(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	waiting := f.insert(t, alice, "SELECT", "table", "app", "later")
	f.pending(t)
	f.outcome(t, alice, plan.Waiting)
	f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.can(t, alice, "select from app.sales")
	f.outcome(t, alice, plan.Waiting)
	if got := f.last(t, alice); !slices.ContainsFunc(got.Problems, func(p plan.Problem) bool { return p.GrantID == waiting }) {
		t.Errorf("the row that waits is not said to: %v", got)
	}
}

// A role that somebody dropped gets all of its rows back with one more.
func TestNarrowNotForADroppedRole(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.Role("alice")
	f.write(t, "insert into sync_roles.desired_roles (role_name, login) values ($1, true)", alice)
	f.insert(t, alice, "CONNECT", "database", "", f.Database)
	f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.can(t, alice, "select from app.sales")
	f.Exec(t, "drop owned by "+alice+"; revoke connect on database "+f.Database+" from "+alice+"; drop role "+alice)
	f.insert(t, alice, "SELECT", "table", "app", "costs")
	f.pending(t)
	f.can(t, alice, "select from app.sales")
	f.can(t, alice, "select from app.costs")
	f.quiet(t)
}

// A new row for a pattern that others use already heals the intermediate role that it goes through.
func TestNarrowThroughIntermediate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	pattern := row{privilege: "SELECT", objectType: "table", schema: "app", name: "s%", match: "like"}
	f.add(t, pattern.of(alice))
	f.insert(t, bob, "SELECT", "table", "app", "costs")
	f.pending(t)
	f.asOwner(t, "revoke select on app.sales from "+f.intermediate(t))
	f.cannot(t, alice, "select from app.sales")
	f.add(t, pattern.of(bob))
	f.pending(t)
	f.can(t, bob, "select from app.sales")
	f.can(t, alice, "select from app.sales")
	f.quiet(t)
}
