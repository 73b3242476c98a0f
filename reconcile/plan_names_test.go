package reconcile_test

import (
	"fmt"
	"testing"
)

// A plan, and the pass that does it, name the roles that rows are about, and none that is not: here a role that its rows have been given intermediate
// roles for does not exist, again or still.
func TestNoRoleWithoutAName(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "s%", match: "like"})
	f.add(t, row{role: bob, privilege: "SELECT", objectType: "table", schema: "app", name: "%", match: "like"})
	f.pending(t)
	f.Exec(t, "drop owned by "+alice+"; drop role "+alice)
	report := f.dryRun(t)
	if len(report.Statements) == 0 {
		t.Error("the plan does not make the role again")
	}
	for _, r := range report.Rows {
		if r.Role != alice || len(r.Problems) > 0 {
			t.Errorf("the plan speaks of role %q: %v", r.Role, r.Problems)
		}
	}
	f.rescan(t)
	if list := f.texts(t, "select problems::text from sync_roles.audit where role_name = '' or problems <> '[]'"); len(list) > 0 {
		t.Errorf("the audit says: %v", list)
	}
	f.Exec(t, fmt.Sprintf("alter role %s login; grant connect on database %s to %[1]s", alice, f.Database))
	f.can(t, alice, "select from app.sales")
	f.cannot(t, alice, "select from app.costs")
	f.can(t, bob, "select from app.costs")
	f.quiet(t)
}
