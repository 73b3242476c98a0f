package reconcile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// What PostgreSQL refuses for a reason that nobody foresaw, here an event trigger, keeps neither the role's other rows nor its
// neighbours from being served, and is done when the reason is gone.
func TestRefusedByPostgreSQL(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"GRANT", "REVOKE"} {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			refuse := func() {
				f.Exec(t, fmt.Sprintf(`
					create function public.refuse() returns event_trigger language plpgsql as $$
					begin
						if current_query() like '%%%s%%costs%%' then raise 'not on costs'; end if;
					end $$;
					create event trigger %s on ddl_command_start when tag in ('GRANT', 'REVOKE') execute function public.refuse()`, word, f.Prefix+"refuse"))
			}
			insert := func() []int64 {
				return []int64{
					f.insert(t, alice, "SELECT", "table", "app", "costs"), f.insert(t, alice, "SELECT", "table", "app", "sales"),
					f.insert(t, bob, "SELECT", "table", "app", "sales"),
				}
			}
			if word == "GRANT" {
				refuse()
				insert()
				f.pending(t)
				f.cannot(t, alice, "select from app.costs")
				f.can(t, alice, "select from app.sales")
				f.can(t, bob, "select from app.sales")
			} else {
				ids := insert()
				f.pending(t)
				refuse()
				f.delete(t, ids...)
				f.pending(t)
				f.can(t, alice, "select from app.costs")
				f.cannot(t, alice, "select from app.sales")
				f.cannot(t, bob, "select from app.sales")
			}
			last := f.last(t, alice)
			if last.Outcome != string(plan.Blocked) || len(last.Problems) != 1 || !strings.Contains(last.Problems[0].Reason, "not on costs") {
				t.Errorf("the audit says: %v", last)
			}
			f.outcome(t, bob, plan.Applied)
			if dry := f.dryRun(t); len(dry.Statements) > 0 {
				t.Errorf("a plan has what PostgreSQL refuses: %v", dry.Statements)
			}

			f.Exec(t, "drop event trigger "+f.Prefix+"refuse")
			f.rescan(t)
			if word == "GRANT" {
				f.can(t, alice, "select from app.costs")
			} else {
				f.cannot(t, alice, "select from app.costs")
			}
			f.outcome(t, alice, plan.Applied)
			f.quiet(t)
		})
	}
}

// What a change of owner lends for the moment goes back, or the change is not made: here PostgreSQL refuses the way back.
func TestRefusedWayBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.user(t, "x")
	f.Exec(t, `create function public.no() returns event_trigger language plpgsql as $$ begin raise insufficient_privilege; end $$;
		create event trigger no_revoke on ddl_command_end when tag in ('REVOKE') execute function public.no()`)
	f.insert(t, x, "OWNER", "table", "app", "sales")
	f.insert(t, x, "SELECT", "table", "app", "costs")
	f.pending(t)
	f.outcome(t, x, plan.Blocked)
	f.can(t, x, "select from app.costs")
	f.cannot(t, x, "create table app.mine ()")
	f.owns(t, f.Owner, "app.sales")

	f.Exec(t, "drop event trigger no_revoke")
	f.rescan(t)
	f.inOrder(t, x)
	f.owns(t, x, "app.sales")
	f.cannot(t, x, "create table app.mine ()")
	f.quiet(t)
}
