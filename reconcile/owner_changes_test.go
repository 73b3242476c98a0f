package reconcile_test

import (
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// Ownerships that are revoked go to the fallback owner.
func TestOwnerFallback(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, y := f.user(t, "x"), f.user(t, "y")
	policy := defaultPolicy
	policy.FallbackOwner = f.Owner
	f.engine = f.engineWith(t, policy)
	nothing := f.nothingBorrowed(t)
	f.insert(t, x, "OWNER", "table", "app", "sales")
	f.add(t, row{role: x, privilege: "OWNER", objectType: "schema", name: "mine", create: true})
	f.insert(t, y, "OWNER", "table", "app", "costs")
	f.pending(t)
	f.owns(t, x, "app.sales")
	f.owns(t, x, "mine")
	f.write(t, "delete from sync_roles.desired_grants where role_name = $1", x)
	f.pending(t)
	f.owns(t, f.Owner, "app.sales")
	f.owns(t, f.Owner, "mine")
	f.owns(t, y, "app.costs")
	f.quiet(t)
	nothing()

	// A fallback owner that does not exist: blocked, and nothing is lost.
	policy.FallbackOwner = f.Role("nobody")
	f.engine = f.engineWith(t, policy)
	f.write(t, "delete from sync_roles.desired_grants where role_name = $1", y)
	f.pending(t)
	f.outcome(t, y, plan.Blocked)
	f.owns(t, y, "app.costs")
	f.quiet(t)
	f.fixes(t, y)
	f.manageable(t, policy.FallbackOwner)
	f.sync(t, y)
	f.owns(t, policy.FallbackOwner, "app.costs")
	f.quiet(t)
	nothing()
}

// The row changes hands: the one loses, the other gets, in one pass or in two.
func TestOwnerMoves(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	nothing := f.nothingBorrowed(t)
	x, y := f.user(t, "x"), f.user(t, "y")
	id := f.insert(t, x, "OWNER", "table", "app", "sales")
	f.pending(t)
	f.owns(t, x, "app.sales")
	f.write(t, "update sync_roles.desired_grants set role_name = $2 where id = $1", id, y)
	f.pending(t)
	f.owns(t, y, "app.sales")
	f.cannot(t, x, "select from app.sales")
	f.can(t, y, "select from app.sales")
	f.quiet(t)

	f.write(t, "update sync_roles.desired_grants set role_name = $2 where id = $1", id, x)
	f.sync(t, y) // the one that loses alone first
	f.sync(t, x)
	f.pending(t)
	f.owns(t, x, "app.sales")
	f.cannot(t, y, "select from app.sales")
	f.quiet(t)
	f.write(t, "update sync_roles.desired_grants set role_name = $2 where id = $1", id, y)
	f.sync(t, y) // the one that gets alone first
	f.sync(t, x)
	f.pending(t) // what these two queued for each other
	f.owns(t, y, "app.sales")
	f.quiet(t)
	nothing()
}

// Who owned an object has what its own rows ask for, when another role becomes the owner.
func TestOwnerBefore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	f.add(t, row{role: alice, privilege: "OWNER", objectType: "table", schema: "app", name: "s%", match: "like"})
	f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.can(t, alice, "drop table app.sales")
	f.insert(t, bob, "OWNER", "table", "app", "sales")
	f.pending(t)
	f.can(t, bob, "drop table app.sales")
	f.cannot(t, alice, "drop table app.sales")
	f.can(t, alice, "select from app.sales")
	f.outcome(t, alice, plan.Refused)
	f.quiet(t)
}

// OWNER gives nothing to roles that are never managed, and takes nothing from them.
func TestOwnerOfProtected(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	boss := f.role(t, "boss", "superuser login")
	f.insert(t, boss, "OWNER", "table", "app", "sales")
	f.insert(t, f.Daemon, "OWNER", "table", "app", "costs")
	f.pending(t)
	f.owns(t, f.Owner, "app.sales")
	f.owns(t, f.Owner, "app.costs")
	f.outcome(t, boss, plan.Refused)
	f.outcome(t, f.Daemon, plan.Refused)
	f.quiet(t)
	f.Exec(t, "alter table app.sales owner to "+boss)
	f.write(t, "delete from sync_roles.desired_grants")
	f.pending(t)
	f.owns(t, boss, "app.sales")
	f.quiet(t)
}
