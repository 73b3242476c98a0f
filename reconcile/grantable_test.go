package reconcile_test

import (
	"fmt"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// grantableCases are rows with an option, and what tells that a login has it.
func (f *fixture) grantableCases(t *testing.T) map[string]struct {
	row       row
	use, pass string
} {
	t.Helper()
	group := f.Role("group")
	f.Exec(t, "create role "+group+"; grant select on app.sales to "+group)
	f.manageable(t, group)
	type grantable = struct {
		row       row
		use, pass string
	}
	return map[string]grantable{
		"table":   {row{privilege: "SELECT", objectType: "table", schema: "app", name: "sales"}, "select from app.sales", "has_table_privilege('app.sales', 'SELECT WITH GRANT OPTION')"},
		"pattern": {row{privilege: "SELECT", objectType: "table", schema: "app", name: "sal%", match: "like"}, "select from app.sales", "has_table_privilege('app.sales', 'SELECT WITH GRANT OPTION')"},
		"column":  {row{privilege: "SELECT", objectType: "table", schema: "app", name: "sales", column: "id"}, "select id from app.sales", "has_column_privilege('app.sales', 'id', 'SELECT WITH GRANT OPTION')"},
		"schema":  {row{privilege: "CREATE", objectType: "schema", name: "app"}, "create table app.mine (id int)", "has_schema_privilege('app', 'CREATE WITH GRANT OPTION')"},
		"member":  {row{privilege: "MEMBER", objectType: "role", name: group}, "select from app.sales", fmt.Sprintf("pg_has_role('%s', 'MEMBER WITH ADMIN OPTION')", group)},
	}
}

// Where only the option is no longer asked for, only the option goes; what others were given by hand stays.
func TestGrantableOptionAlone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"table", "pattern", "column", "schema", "member"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			c := f.grantableCases(t)[name]
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			f.asOwner(t, "grant select on app.sales to "+bob+" with grant option")
			c.row.grantable = true
			id := f.add(t, c.row.of(alice))
			f.pending(t)
			f.can(t, alice, c.use)
			f.can(t, alice, fmt.Sprintf(raiseUnless, c.pass))
			f.quiet(t)

			f.write(t, "update sync_roles.desired_grants set grantable = false where id = $1", id)
			f.pending(t)
			f.can(t, alice, c.use)
			f.cannot(t, alice, fmt.Sprintf(raiseUnless, c.pass))
			f.can(t, bob, fmt.Sprintf(raiseUnless, "has_table_privilege('app.sales', 'SELECT WITH GRANT OPTION')"))
			f.inOrder(t, alice)
			f.quiet(t)

			f.loses(t, alice, c.use, id)
		})
	}
}

// An exclusive role keeps no option that was given by hand; an additive one does.
func TestGrantableByHand(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	for _, role := range []string{alice, bob} {
		f.insert(t, role, "SELECT", "table", "app", "sales")
	}
	f.pending(t)
	f.asOwner(t, "grant select on app.sales to "+alice+", "+bob+" with grant option")
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{tables}')", alice)
	f.pending(t)
	has := fmt.Sprintf(raiseUnless, "has_table_privilege('app.sales', 'SELECT WITH GRANT OPTION')")
	f.cannot(t, alice, has)
	f.can(t, alice, "select from app.sales")
	f.can(t, bob, has)
	f.quiet(t)
}

// What others hold by an option ends with it, and never silently: the audit names them.
func TestGrantableDependents(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"table", "member"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			c := f.grantableCases(t)[name]
			if name == "member" && f.Version < 16 {
				t.Skip("before 16, a membership does not depend on its grantor's")
			}
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			c.row.grantable = true
			id := f.add(t, c.row.of(alice))
			f.pending(t)
			pass := "grant select on app.sales to " + bob
			if name == "member" {
				pass = "grant " + c.row.name + " to " + bob
			}
			f.Exec(t, "set role "+alice+"; "+pass)
			f.write(t, "update sync_roles.desired_grants set grantable = false where id = $1", id)
			f.pending(t)
			f.cannot(t, bob, "select from app.sales")
			f.outcome(t, alice, plan.Applied)
			f.outcome(t, bob, plan.Applied)
			f.cannot(t, alice, fmt.Sprintf(raiseUnless, c.pass))
			f.can(t, alice, c.use)
			f.quiet(t)
		})
	}
}
