package reconcile_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// Since 16 each grantor has its own row for a membership.
func TestGrantorMemberships(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, neighbour := f.user(t, "x"), f.user(t, "neighbour")
	g, near, far := f.role(t, "g", ""), f.Role("near"), f.Role("far")
	f.Exec(t, fmt.Sprintf("set role %s; grant select on app.sales to %s", f.Owner, g))
	f.Exec(t, fmt.Sprintf("create role %s; create role %s; grant %s to %[1]s with admin option; grant %[3]s to %[2]s with admin option", near, far, g))
	if f.Version >= 16 {
		f.Exec(t, "grant "+near+" to "+f.Daemon+" with inherit true, set false, admin false")
	}
	same, nothing := f.untouched(t, neighbour, near, far, g), f.nothingBorrowed(t)
	id := f.insert(t, x, "MEMBER", "role", "", g)
	f.pending(t)
	f.can(t, x, "select from app.sales")
	f.Exec(t, fmt.Sprintf("set role %s; grant %s to %s", near, g, x))
	f.Exec(t, fmt.Sprintf("set role %s; grant %s to %s", far, g, x))
	f.Exec(t, fmt.Sprintf("grant %s to %s", g, x))
	f.quiet(t)

	f.delete(t, id)
	f.pending(t)
	if f.Version >= 16 {
		f.outcome(t, x, plan.Blocked)
		f.problem(t, x, plan.Blocked, g, far, fmt.Sprintf("REVOKE %s FROM %s GRANTED BY %s", quote(g), quote(x), quote(far)))
		f.problem(t, x, plan.Blocked, g, "postgres")
		left := f.texts(t, "select grantor::regrole::text from pg_auth_members where member = (select oid from pg_roles where rolname = $1) order by 1", x)
		sameList(t, "the grantors that are left", left, []string{"postgres", far})
		f.quiet(t)
		f.fixes(t, x)
		f.rescan(t)
	}
	f.cannot(t, x, "select from app.sales")
	f.quiet(t)
	same()
	nothing()
	// Somebody grants it by hand: nobody's business from now on.
	f.Exec(t, fmt.Sprintf("grant %s to %s", g, x))
	f.quiet(t)
	f.can(t, x, "select from app.sales")
}

// The ADMIN option on a role is missing: the GRANT is named, and with it the next rescan does it.
func TestGrantorMembershipWithoutAdmin(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if f.Version < 16 {
		t.Skip("before 16 CREATEROLE is enough")
	}
	x, g := f.user(t, "x"), f.Role("g")
	f.Exec(t, fmt.Sprintf("create role %s; set role %s; grant select on app.sales to %[1]s", g, f.Owner))
	id := f.insert(t, x, "MEMBER", "role", "", g)
	f.insert(t, x, "SELECT", "table", "app", "costs")
	f.pending(t)
	f.outcome(t, x, plan.Blocked)
	f.can(t, x, "select from app.costs")
	f.cannot(t, x, "select from app.sales")
	f.quiet(t)
	want := []string{fmt.Sprintf("GRANT %s TO %s WITH ADMIN TRUE, INHERIT FALSE, SET FALSE", quote(g), quote(f.Daemon))}
	if fixes := f.fixes(t, x); !slices.Equal(fixes, want) {
		t.Errorf("the fixes are %q, want %q", fixes, want)
	}
	f.rescan(t)
	f.can(t, x, "select from app.sales")
	f.quiet(t)
	f.loses(t, x, "select from app.sales", id)
}

// TestGrantorWithDependents with the ADMIN option of a membership, which PostgreSQL makes depend on its grantor since 16 alone.
func TestGrantorMembershipWithDependents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, dependent, g := f.user(t, "x"), f.user(t, "dependent"), f.role(t, "g", "")
	id := f.add(t, row{role: x, privilege: "MEMBER", objectType: "role", name: g, grantable: true})
	f.pending(t)
	f.Exec(t, "set role "+x+"; grant "+g+" to "+dependent)
	f.quiet(t)
	f.delete(t, id)
	f.insert(t, x, "INSERT", "table", "app", "costs")
	f.pending(t)
	f.can(t, x, "insert into app.costs values (1)")
	f.outcome(t, x, plan.Applied)
	f.isMember(t, false, x, g)
	f.isMember(t, false, dependent, g)
	f.quiet(t)
}
