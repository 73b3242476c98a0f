package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// grantor makes a role that holds SELECT on app.sales with grant option and hands it on to x.
func (f *fixture) grantor(t *testing.T, x string) string {
	t.Helper()
	g := f.Role("g")
	f.Exec(t, fmt.Sprintf("create role %s; set role %s; grant select on app.sales to %[1]s with grant option; reset role; set role %[1]s; grant select on app.sales to %[3]s", g, f.Owner, x))
	return g
}

// The owner and a role with the grant option have granted the same: DELETE takes both.
func TestGrantorTwoOnOneTable(t *testing.T) {
	t.Parallel()
	for _, right := range []string{"set role", "inherits", "admin"} {
		t.Run(right, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			x, neighbour := f.user(t, "x"), f.user(t, "neighbour")
			g := f.grantor(t, x)
			f.Exec(t, "set role "+g+"; grant select on app.sales to "+neighbour)
			switch {
			case f.Version < 16 && right == "admin": // CREATEROLE is enough
			case f.Version < 16:
				f.Exec(t, "grant "+g+" to "+f.Daemon)
			case right == "set role":
				f.Exec(t, "grant "+g+" to "+f.Daemon+" with inherit false, set true, admin false")
			case right == "inherits":
				f.Exec(t, "grant "+g+" to "+f.Daemon+" with inherit true, set true, admin false")
			case right == "admin":
				f.Exec(t, "grant "+g+" to "+f.Daemon+" with inherit false, set false, admin true")
			}
			same, nothing := f.untouched(t, neighbour, g), f.nothingBorrowed(t)
			id := f.add(t, row{role: x, privilege: "SELECT", objectType: "table", schema: "app", name: "sales"})
			f.asOwner(t, "grant select on app.sales to "+x)
			f.pending(t)
			f.outcome(t, x, plan.Unchanged) // satisfied as it is
			f.quiet(t)
			f.delete(t, id)
			f.pending(t)
			f.outcome(t, x, plan.Applied)
			f.cannot(t, x, "select from app.sales")
			f.can(t, neighbour, "select from app.sales")
			nothing()
			same()
			f.quiet(t)
		})
	}
}

// One of the grantors is beyond the daemon: the rest is done, the grantor is named, and its statement helps.
func TestGrantorBeyondReach(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, neighbour := f.user(t, "x"), f.user(t, "neighbour")
	g := f.grantor(t, x)
	if f.Version < 16 {
		f.Exec(t, "alter role "+g+" superuser")
	}
	nothing := f.nothingBorrowed(t)
	sales := f.insert(t, x, "SELECT", "table", "app", "sales")
	costs := f.insert(t, x, "SELECT", "table", "app", "costs")
	other := f.insert(t, neighbour, "SELECT", "table", "app", "sales")
	f.asOwner(t, "grant select on app.sales to "+x)
	f.pending(t)
	f.quiet(t)

	f.delete(t, sales, costs, other)
	f.pending(t)
	f.outcome(t, x, plan.Blocked)
	f.problem(t, x, plan.Blocked, "app.sales", g)
	f.cannot(t, x, "select from app.costs")
	f.outcome(t, neighbour, plan.Applied)
	f.cannot(t, neighbour, "select from app.sales")
	sameList(t, "what x holds on tables", f.tables(t, x), []string{"tables SELECT app.sales from " + g})
	nothing()
	f.quiet(t)

	if f.Version < 16 {
		return // g is a superuser here, and what it granted is revoked by the owner: TestGrantorSuperuserOwns
	}
	f.fixes(t, x)
	f.cannot(t, x, "select from app.sales")
	f.rescan(t)
	f.quiet(t)
	if left := pgtest.One[int](t, f.super, "select count(*)::int from sync_roles.withdrawn"); left != 0 {
		t.Errorf("%d withdrawn rows are left", left)
	}
	// What x is given by hand from now on is nobody's business.
	f.asOwner(t, "grant select on app.sales to "+x)
	f.quiet(t)
	f.can(t, x, "select from app.sales")
}

// tables lists the ACL entries of a role on tables.
func (f *fixture) tables(t *testing.T, role string) []string {
	t.Helper()
	return slices.DeleteFunc(f.holdings(t, role), func(s string) bool { return !strings.HasPrefix(s, "tables ") })
}

// Privileges that x itself has passed on: taking the grant option away without CASCADE is an error of PostgreSQL's (2BP01). They end with x's,
// and x's other rows are obeyed.
func TestGrantorWithDependents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, dependent, neighbour := f.user(t, "x"), f.user(t, "dependent"), f.user(t, "neighbour")
	id := f.add(t, row{role: x, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", grantable: true})
	costs := f.insert(t, x, "SELECT", "table", "app", "costs")
	f.pending(t)
	f.Exec(t, "set role "+x+"; grant select on app.sales to "+dependent)
	f.quiet(t)
	f.delete(t, id, costs)
	f.insert(t, x, "INSERT", "table", "app", "costs")
	f.insert(t, neighbour, "INSERT", "table", "app", "costs")
	f.pending(t)
	f.can(t, neighbour, "insert into app.costs values (1)")
	f.cannot(t, dependent, "select from app.sales")
	f.outcome(t, x, plan.Applied)
	f.can(t, x, "insert into app.costs values (1)")
	f.cannot(t, x, "select from app.costs")
	f.cannot(t, x, "select from app.sales")
	f.quiet(t)
}
