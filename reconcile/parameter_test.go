package reconcile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// A parameter on which nothing was ever granted is not in pg_parameter_acl. A superuser grants on it all the same; a daemon that is none says what it
// lacks.
func TestParameterWithoutPrivileges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if f.Version < 15 {
		t.Skip("before 15 there are no privileges on parameters")
	}
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	has := func(parameter string) string {
		return fmt.Sprintf(raiseUnless, "has_parameter_privilege('"+parameter+"', 'SET')")
	}
	id := f.insert(t, alice, "SET", "parameter", "", "log_lock_waits")
	f.insert(t, bob, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.cannot(t, alice, has("log_lock_waits"))
	last := f.last(t, alice)
	if last.Outcome != string(plan.Blocked) || len(last.Problems) != 1 || !strings.Contains(last.Problems[0].Fix, "GRANT SET ON PARAMETER") {
		t.Fatalf("the audit says: %v", last)
	}
	f.Exec(t, last.Problems[0].Fix)
	f.rescan(t)
	f.can(t, alice, has("log_lock_waits"))
	f.cannot(t, bob, has("log_lock_waits"))
	f.quiet(t)

	f.loses(t, alice, has("log_lock_waits"), id)
	f.Exec(t, "revoke set on parameter log_lock_waits from "+f.Daemon+" cascade")
}

// A custom parameter is in no list before a privilege on it was granted: a row for it does not wait until somebody does.
func TestCustomParameter(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if f.Version < 15 {
		t.Skip("before 15 there are no privileges on parameters")
	}
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	for _, parameter := range []string{f.Prefix + "app.user_id", f.Prefix + "app.user.id$1"} { // user is a keyword
		f.afterwards(t, "revoke set on parameter "+quoted(parameter)+" from "+f.Daemon+" cascade")
		has := fmt.Sprintf(raiseUnless, "has_parameter_privilege('"+parameter+"', 'SET')")
		id := f.insert(t, alice, "SET", "parameter", "", parameter)
		f.pending(t)
		fix := f.last(t, alice).Problems[0].Fix
		f.outcome(t, alice, plan.Blocked)
		f.cannot(t, alice, has)
		f.Exec(t, fix)
		f.rescan(t)
		f.can(t, alice, has)
		f.cannot(t, bob, has)
		f.quiet(t)
		f.loses(t, alice, has, id)
	}
	f.Exec(t, "alter role "+f.Daemon+" superuser")
	f.engine = f.engineWith(t, defaultPolicy)
	parameter := f.Prefix + "app.tenant"
	has := fmt.Sprintf(raiseUnless, "has_parameter_privilege('"+parameter+"', 'SET')")
	id := f.insert(t, alice, "SET", "parameter", "", parameter)
	f.pending(t)
	f.outcome(t, alice, plan.Applied)
	f.can(t, alice, has)
	f.quiet(t)
	f.loses(t, alice, has, id)
	// Others are no names to PostgreSQL: such a row waits.
	for _, name := range []string{"no_such_parameter", "app..x", "1app.x", "app.x y", "app.x; drop table app.sales"} {
		f.insert(t, bob, "SET", "parameter", "", name)
		f.pending(t)
		f.outcome(t, bob, plan.Waiting)
	}
}

func quoted(parameter string) string {
	return `"` + strings.ReplaceAll(parameter, ".", `"."`) + `"`
}
