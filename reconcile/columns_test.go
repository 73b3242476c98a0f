package reconcile_test

import (
	"fmt"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// A row for a whole table that goes takes nothing on the table's columns along: neither what was granted by hand, nor what other rows give.
func TestColumnsOutliveTheirTablesRow(t *testing.T) {
	t.Parallel()
	for _, option := range []bool{false, true} {
		for _, end := range []string{"delete", "exclusive tables of others", "option only"} {
			t.Run(fmt.Sprintf("%s, option %t", end, option), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				alice, bob, carol := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "carol")
				with := ""
				if option {
					with = " with grant option"
				}
				id := f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", direct: ptr(true), grantable: end == "option only"})
				other := f.add(t, row{role: bob, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", direct: ptr(true)})
				f.add(t, row{role: bob, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", column: "id", direct: ptr(true)})
				f.asOwner(t, "grant select (amount), update (id) on app.sales to "+alice+with)
				f.asOwner(t, "grant select (amount) on app.sales to "+carol)
				f.pending(t)
				switch end {
				case "delete":
					f.delete(t, id, other)
				case "option only":
					f.write(t, "update sync_roles.desired_grants set grantable = false where id = $1", id)
				default:
					f.delete(t, id, other)
					f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{sequences}')", alice)
				}
				f.pending(t)
				f.can(t, alice, "select amount from app.sales")
				f.can(t, alice, "update app.sales set id = 1")
				if end != "option only" {
					f.cannot(t, alice, "select id from app.sales")
					f.cannot(t, bob, "select amount from app.sales")
				}
				f.can(t, bob, "select id from app.sales")
				f.can(t, carol, "select amount from app.sales")
				f.is(t, option, "has_column_privilege($1, 'app.sales', 'amount', 'SELECT WITH GRANT OPTION')", alice)
				f.quiet(t)
				// An exclusive role keeps no columns either.
				f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{tables}') on conflict (role_name) do update set revoke_other = '{tables}'", alice)
				f.delete(t, id)
				f.pending(t)
				f.cannot(t, alice, "select amount from app.sales")
				f.cannot(t, alice, "update app.sales set id = 1")
				f.can(t, carol, "select amount from app.sales")
				f.quiet(t)
			})
		}
	}
}

// Where PostgreSQL refuses to grant the columns again, the table's privilege stays with them, and is reported.
func TestColumnsAreNotLostInPart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	var deleted []int64
	for _, role := range []string{alice, bob} {
		deleted = append(deleted, f.add(t, row{role: role, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", direct: ptr(true)}))
	}
	f.asOwner(t, "grant select (amount) on app.sales to "+alice+", "+bob)
	f.pending(t)
	f.Exec(t, `create function public.no() returns event_trigger language plpgsql as $$
		begin if current_query() ~ 'GRANT SELECT .*"`+alice+`"' then raise 'no columns'; end if; end $$;
		create event trigger `+f.Prefix+`no on ddl_command_start when tag in ('GRANT') execute function public.no()`)
	f.delete(t, deleted...)
	f.pending(t)
	f.can(t, alice, "select id, amount from app.sales")
	f.can(t, bob, "select amount from app.sales")
	f.cannot(t, bob, "select id from app.sales")
	f.outcome(t, alice, plan.Blocked)
	f.problem(t, alice, plan.Blocked, "REVOKE SELECT", "no columns")
	f.Exec(t, "drop event trigger "+f.Prefix+"no")
	f.sync(t)
	f.can(t, alice, "select amount from app.sales")
	f.cannot(t, alice, "select id from app.sales")
	f.quiet(t)
}
