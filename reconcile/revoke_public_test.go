package reconcile_test

import (
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// PUBLIC is touched only where a row names it; then it keeps nothing else of the kind, and no role of the same letters is meant.
func TestRevokeFromPublic(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.user(t, "x")
	f.asOwner(t, `grant select on app.sales, app.costs to public; grant update (id) on app.sales to public; create function app.fn() returns int language sql as 'select 1'; grant select on app.sales to `+x)
	f.Exec(t, "grant connect on database "+f.Database+" to public")
	stranger := f.role(t, "stranger", "login")
	f.can(t, stranger, "create temporary table x (id int); select app.fn(); select from app.sales")
	same := f.untouched(t, x, stranger)

	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ('public', '{databases,tables}')")
	kept := f.insert(t, "public", "SELECT", "table", "app", "costs")
	f.pending(t)
	f.outcome(t, "public", plan.Applied)
	if code := f.login(t, stranger); code != "42501" {
		t.Errorf("PUBLIC still has CONNECT: %q", code)
	}
	f.can(t, x, "select from app.sales; select from app.costs; select app.fn()") // its own, and what rows leave to PUBLIC
	f.cannot(t, x, "update app.sales set id = 1")
	f.cannot(t, x, "create temporary table x (id int)")
	f.is(t, true, "has_schema_privilege($1, 'app', 'USAGE')", stranger)
	f.quiet(t)

	f.asOwner(t, "grant select on app.sales to public")
	f.rescan(t)
	f.is(t, false, "has_table_privilege($1, 'app.sales', 'SELECT')", stranger)
	f.loses(t, x, "select from app.costs", kept)
	f.write(t, "delete from sync_roles.desired_roles")
	f.pending(t)
	if code := f.login(t, stranger); code != "42501" {
		t.Errorf("deleting the row gave CONNECT back: %q", code)
	}
	f.quiet(t)
	same()
}

// EXECUTE on new functions is PUBLIC's by default, and the default is stored nowhere.
func TestRevokeRoutinesFromPublic(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.user(t, "x")
	f.asOwner(t, "create function app.fn() returns int language sql as 'select 1'; create procedure app.pr(int) language sql as 'select 1'; create type app.color as enum ('red')")
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ('public', '{routines,types}')")
	allowed := f.insert(t, "public", "EXECUTE", "routine", "app", "pr(integer)")
	f.pending(t)
	f.cannot(t, x, "select app.fn()")
	f.cannot(t, x, "create temporary table c (c app.color)")
	f.can(t, x, "call app.pr(1)")
	f.can(t, x, "select pg_catalog.now()")
	f.quiet(t)
	f.asOwner(t, "create function app.fn2() returns int language sql as 'select 1'")
	f.can(t, x, "select app.fn2()")
	f.rescan(t)
	f.cannot(t, x, "select app.fn2()")
	f.loses(t, x, "call app.pr(1)", allowed)
}

// What PUBLIC alone may be told, and nothing else.
func TestRevokeFromPublicRefusedAtInsert(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, sql := range []string{
		"insert into sync_roles.desired_roles (role_name, login) values ('public', true)",
		"insert into sync_roles.desired_roles (role_name, revoke_other) values ('public', '{role_memberships}')",
		"insert into sync_roles.desired_roles (role_name, revoke_other) values ('public', '{ownerships}')",
		"insert into sync_roles.desired_roles (role_name, revoke_other) values ('x', '{everything}')",
		"insert into sync_roles.desired_roles (role_name, revoke_other) values ('x', '{tables,null}')",
	} {
		if _, err := f.daemon.Exec(t.Context(), sql); err == nil || sqlstate(t, err) != "23514" {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
