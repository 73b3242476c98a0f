package reconcile_test

import (
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

// What a tool has swapped in is granted before everybody else is inspected.
func TestRenamedComesFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, zoe := f.user(t, "alice"), f.user(t, "zoe")
	f.insert(t, alice, "SELECT", "table", "app", "costs")
	f.insert(t, zoe, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.asOwner(t, "revoke select on app.costs from "+alice+"; create table app.sales_new (id int); alter table app.sales rename to sales_old; alter table app.sales_new rename to sales")
	report, err := f.engine.Rescan(t.Context(), audit.DDL)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Rows) != 2 || report.Rows[0].Role != zoe || report.Rows[1].Role != alice {
		t.Errorf("the passes were %+v, want one for %s and then one for %s", report.Rows, zoe, alice)
	}
	f.can(t, zoe, "select from app.sales")
	f.cannot(t, zoe, "select from app.sales_old")
	f.can(t, alice, "select from app.costs")
	f.quiet(t)
}
