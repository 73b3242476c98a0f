package reconcile_test

import (
	"fmt"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

func TestOwnerOfTable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	neighbour := f.user(t, "neighbour")
	f.asOwner(t, "grant select on app.sales to "+neighbour)
	same, nothing := f.untouched(t, "public"), f.nothingBorrowed(t)
	x := f.user(t, "x")
	f.asOwner(t, "grant usage on schema app to "+neighbour)
	id := f.insert(t, x, "OWNER", "table", "app", "sales")
	f.pending(t)
	f.outcome(t, x, plan.Applied)
	f.owns(t, x, "app.sales")
	f.can(t, x, "alter table app.sales add column more int")
	f.cannot(t, x, "alter table app.costs add column more int")
	f.cannot(t, x, "create table app.t (id int)") // CREATE on the schema was for the moment
	f.can(t, neighbour, "select from app.sales")
	f.cannot(t, neighbour, "insert into app.sales values (1)")
	nothing()
	f.quiet(t)

	f.Exec(t, "alter table app.sales owner to "+f.Owner)
	f.rescan(t)
	f.owns(t, x, "app.sales")
	f.cannot(t, x, "create table app.t (id int)")
	f.quiet(t)

	f.delete(t, id)
	f.pending(t)
	f.owns(t, f.Daemon, "app.sales")
	f.cannot(t, x, "select from app.sales")
	f.cannot(t, x, "create table app.t (id int)")
	f.can(t, neighbour, "select from app.sales")
	f.is(t, false, "nspacl::text ~ $1 from pg_namespace where nspname = 'app'", f.Daemon) // nor did the daemon keep it
	f.quiet(t)
	nothing()
	same()
}

// What an owner holds on its own objects is implied by owning them, and is never revoked: not from exclusive roles, not with the row
// that asked for it besides.
func TestOwnerKeepsItsOwnEntries(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, neighbour := f.user(t, "x"), f.user(t, "neighbour")
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{all}')", x)
	f.insert(t, x, "CONNECT", "database", "", f.Database)
	f.insert(t, x, "OWNER", "table", "app", "sales")
	f.add(t, row{role: x, privilege: "OWNER", objectType: "schema", name: "mine", create: true})
	sel := f.insert(t, x, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.Exec(t, fmt.Sprintf(`set role %s; grant select on app.sales to %s; grant update (id) on app.sales to %[2]s; grant update (id) on app.sales to %[1]s;
		grant usage on schema mine to %[2]s; create table mine.t (id int)`, quote(x), quote(neighbour)))
	before := f.texts(t, "select relacl::text from pg_class where oid = 'app.sales'::regclass")
	f.rescan(t)
	f.quiet(t)
	f.can(t, x, "select id from app.sales; update app.sales set amount = 2; truncate app.sales; create table mine.u (id int)")
	f.can(t, neighbour, "select from app.sales; update app.sales set id = 2")
	sameList(t, "the ACL", f.texts(t, "select relacl::text from pg_class where oid = 'app.sales'::regclass"), before)

	f.delete(t, sel)
	f.pending(t)
	f.can(t, x, "select from app.sales")
	sameList(t, "the ACL", f.texts(t, "select relacl::text from pg_class where oid = 'app.sales'::regclass"), before)
	f.quiet(t)
	// mine.t was made by hand, and no row says that x owns it.
	f.owns(t, f.Daemon, "mine.t")
}

// The schema belongs to somebody who gives the new owner no CREATE, and over whom the daemon has no right.
func TestOwnerWithoutCreateOnTheSchema(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stranger, x, neighbour := f.foreignOwner(t), f.user(t, "x"), f.user(t, "neighbour")
	f.Exec(t, fmt.Sprintf(`
		set role %s; create schema strange; grant usage, create on schema strange to %s; grant usage on schema strange to %s;
		set role %[2]s; create table strange.t (id int)`, stranger, f.Owner, x))
	f.insert(t, x, "OWNER", "table", "strange", "t")
	f.insert(t, x, "SELECT", "table", "app", "costs")
	f.insert(t, neighbour, "SELECT", "table", "app", "costs")
	f.pending(t)
	f.outcome(t, x, plan.Blocked)
	f.outcome(t, neighbour, plan.Applied)
	f.owns(t, f.Owner, "strange.t")
	f.can(t, x, "select from app.costs")
	f.can(t, neighbour, "select from app.costs")
	f.quiet(t)
	want := fmt.Sprintf("GRANT CREATE ON SCHEMA %s TO %s", quote("strange"), quote(x))
	if fixes := f.fixes(t, x); len(fixes) != 1 || fixes[0] != want {
		t.Errorf("the fixes are %q, want %q", fixes, want)
	}
	f.rescan(t)
	f.outcome(t, x, plan.Applied)
	f.owns(t, x, "strange.t")
	f.quiet(t)
}

// The object belongs to a role over which the daemon has no right; then the new owner is such a role.
func TestOwnerOfAStrangersTable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stranger, x := f.foreignOwner(t), f.user(t, "x")
	f.Exec(t, fmt.Sprintf("set role %s; create table app.strange (id int)", f.Owner)+"; reset role; alter table app.strange owner to "+stranger)
	f.insert(t, x, "OWNER", "table", "app", "strange")
	f.insert(t, x, "OWNER", "table", "app", "sales")
	f.pending(t)
	f.outcome(t, x, plan.Blocked)
	f.owns(t, stranger, "app.strange")
	f.owns(t, x, "app.sales")
	f.problem(t, x, plan.Blocked, "app.strange", stranger)
	f.quiet(t)
	f.fixes(t, x)
	f.rescan(t)
	f.inOrder(t, x) // before 16 the stranger is a superuser, and the fix is the change itself
	f.owns(t, x, "app.strange")
	f.quiet(t)

	if f.Version < 16 {
		return
	}
	y := f.Role("y")
	f.Exec(t, "create role "+y)
	f.insert(t, y, "OWNER", "table", "app", "costs")
	f.pending(t)
	f.outcome(t, y, plan.Blocked)
	f.quiet(t)
	want := fmt.Sprintf("GRANT %s TO %s WITH INHERIT TRUE, SET TRUE", quote(y), quote(f.Daemon))
	if fixes := f.fixes(t, y); len(fixes) != 1 || fixes[0] != want {
		t.Errorf("the fixes are %q, want %q", fixes, want)
	}
	f.rescan(t)
	f.owns(t, y, "app.costs")
	f.quiet(t)
}
