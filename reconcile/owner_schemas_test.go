package reconcile_test

import (
	"fmt"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

func TestOwnerOfSchema(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	neighbour := f.user(t, "neighbour")
	same, nothing := f.untouched(t, neighbour, "public"), f.nothingBorrowed(t)
	x, other := f.user(t, "x"), f.Role("other")

	// Without create_if_not_exists it waits.
	waiting := f.insert(t, x, "OWNER", "schema", "", "later")
	id := f.add(t, row{role: x, privilege: "OWNER", objectType: "schema", name: "mine", create: true})
	fresh := f.add(t, row{role: other, privilege: "OWNER", objectType: "schema", name: "theirs", create: true})
	f.pending(t)
	f.outcome(t, x, plan.Waiting)
	f.owns(t, x, "mine")
	f.owns(t, other, "theirs")
	f.is(t, false, "exists (select from pg_namespace where nspname = 'later')")
	f.can(t, x, "create table mine.t (id int)")
	f.cannot(t, neighbour, "create table mine.t (id int)")
	f.is(t, false, "has_schema_privilege($1, 'mine', 'CREATE')", f.Owner)
	nothing()
	f.quiet(t)

	f.asOwner(t, "create schema later")
	f.rescan(t)
	f.outcome(t, x, plan.Applied)
	f.owns(t, x, "later")
	nothing()
	f.quiet(t)

	// By hand it goes elsewhere, and comes back.
	f.Exec(t, "alter schema mine owner to "+f.Owner)
	f.rescan(t)
	f.owns(t, x, "mine")
	f.quiet(t)

	f.delete(t, id, waiting, fresh)
	f.pending(t)
	f.outcome(t, x, plan.Applied)
	f.owns(t, f.Daemon, "mine")
	f.owns(t, f.Daemon, "later")
	f.owns(t, f.Daemon, "theirs")
	f.cannot(t, x, "create table mine.t (id int)")
	f.cannot(t, x, "create table later.t (id int)")
	f.is(t, false, "has_schema_privilege($1, 'mine', 'USAGE') or has_schema_privilege($1, 'mine', 'CREATE')", x)
	f.quiet(t)
	nothing()
	same()
}

// Schemas take CREATE on the database.
func TestOwnerOfSchemaWithoutCreateOnTheDatabase(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Exec(t, fmt.Sprintf("alter database %s owner to postgres; revoke create on database %[1]s from %s, %s", f.Database, f.Daemon, f.Owner))
	x, y := f.user(t, "x"), f.user(t, "y")
	f.add(t, row{role: x, privilege: "OWNER", objectType: "schema", name: "mine", create: true})
	f.insert(t, x, "SELECT", "table", "app", "sales")
	f.insert(t, y, "OWNER", "schema", "", "app")
	f.pending(t)
	f.outcome(t, x, plan.Blocked)
	f.outcome(t, y, plan.Blocked)
	f.can(t, x, "select from app.sales")
	f.quiet(t)
	want := fmt.Sprintf("GRANT CREATE ON DATABASE %s TO %s", quote(f.Database), quote(f.Daemon))
	if fixes := f.fixes(t, x); len(fixes) != 1 || fixes[0] != want {
		t.Errorf("the fixes are %q, want %q", fixes, want)
	}
	f.rescan(t)
	f.owns(t, x, "mine")
	f.owns(t, y, "app")
	f.quiet(t)
}
