package reconcile_test

import (
	"testing"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// What is held is compared with the limit that is in force: a wider one lets it go, and no other does.
func TestHeldUnderTheLimitInForce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limit plan.Limit
		goes  bool
	}{
		"the same":                       {plan.Limit{Revokes: 5, Percent: 25}, false},
		"a narrower one":                 {plan.Limit{Revokes: 1}, false},
		"one more":                       {plan.Limit{Revokes: 6, Percent: 25}, true},
		"a wider number":                 {plan.Limit{Revokes: 100}, true},
		"a share that is not wide":       {plan.Limit{Revokes: 5, Percent: 70}, false},
		"a share that is wide":           {plan.Limit{Revokes: 5, Percent: 80}, true},
		"none":                           {plan.Limit{}, true},
		"a number as wide as it need be": {plan.Limit{Revokes: 5}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := limited(t, 5, 25)
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			// Six of eight rows go, of two roles.
			var ids []int64
			for _, privilege := range []string{"SELECT", "INSERT", "UPDATE"} {
				ids = append(ids, f.insert(t, alice, privilege, "table", "app", "sales"), f.insert(t, bob, privilege, "table", "app", "sales"))
			}
			f.insert(t, alice, "SELECT", "table", "app", "costs")
			f.insert(t, bob, "SELECT", "table", "app", "costs")
			f.pending(t)
			f.delete(t, ids...)
			f.pending(t)
			f.held(t, alice, bob)

			policy := defaultPolicy
			policy.Limit = c.limit
			f.engine = f.engineWith(t, policy)
			f.sync(t, alice) // each role by itself has less to lose than all
			f.sync(t)
			for _, role := range []string{alice, bob} {
				if c.goes {
					f.cannot(t, role, "select from app.sales")
				} else {
					f.can(t, role, "select from app.sales")
				}
				f.can(t, role, "select from app.costs")
			}
			if c.goes {
				f.held(t)
			} else {
				f.held(t, alice, bob)
			}
			f.quiet(t)
		})
	}
}

// What was held together with what went in the moments before stays so when these are over.
func TestHeldForTheMomentsBeforeStaysHeld(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	policy := defaultPolicy
	policy.Limit = plan.Limit{Revokes: 3, Window: 2 * time.Minute}
	f.engine = f.engineWith(t, policy)
	alice := f.user(t, "alice")
	var ids []int64
	for _, privilege := range []string{"SELECT", "INSERT", "UPDATE", "DELETE"} {
		ids = append(ids, f.insert(t, alice, privilege, "table", "app", "sales"))
	}
	f.pending(t)
	f.delete(t, ids[2:]...)
	f.pending(t)
	f.cannot(t, alice, "delete from app.sales")
	f.delete(t, ids[:2]...)
	f.pending(t)
	f.held(t, alice)
	f.Exec(t, "update sync_roles.recent_revokes set at = at - interval '1 hour'")
	f.sync(t)
	f.can(t, alice, "select from app.sales")
	f.held(t, alice)
}
