package reconcile_test

import (
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// What is named in a row and does not exist may come to be in this moment, or never: it is tried again for a while, and then only when a person asks.
func TestWhatNeverComesIsBlocked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	f.write(t, `insert into sync_roles.desired_roles (role_name, settings) values ($1, '{"wrk_mem": "7MB"}')`, alice)
	f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.can(t, alice, "select from app.sales")
	for n := 1; f.last(t, alice).Outcome == string(plan.Failed); n++ {
		if n == 10 {
			t.Fatalf("it is tried again for ever: %v", f.last(t, alice))
		}
		if problem := f.problem(t, alice, plan.Failed, "wrk_mem"); !strings.Contains(problem.Reason, "PostgreSQL refused it") {
			t.Errorf("the reason does not say who refused it: %s", problem.Reason)
		}
		f.due(t)
		if _, err := f.engine.ServeRetries(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	f.outcome(t, alice, plan.Blocked)
	f.is(t, true, "count(*) = 0 from sync_roles.retries")
	f.write(t, `update sync_roles.desired_roles set settings = '{"work_mem": "7MB"}'`)
	f.pending(t)
	f.inOrder(t, alice)
	f.quiet(t)
}
