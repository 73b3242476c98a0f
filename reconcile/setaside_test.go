package reconcile_test

import (
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// What PostgreSQL refuses to create or to alter is left out: the role's other rows are served, its neighbours too, and a sync by a person looks at it
// at once when the reason is gone.
func TestRefusedFoundations(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refuse, allow string // by the superuser; {d}: the daemon
		ask           func(t *testing.T, f *fixture, alice string)
		made          string // true when it is as asked
	}{
		"a schema": {
			`create function public.refuse() returns event_trigger language plpgsql as $$ begin raise insufficient_privilege; end $$;
			create event trigger {d}_hook on ddl_command_start when tag in ('CREATE SCHEMA') execute function public.refuse()`,
			"drop event trigger {d}_hook",
			func(t *testing.T, f *fixture, alice string) {
				t.Helper()
				f.add(t, row{role: alice, privilege: "OWNER", objectType: "schema", name: "mart", create: true})
			},
			"exists (select from pg_namespace where nspname = 'mart' and nspowner::regrole::text = $1)",
		},
		"a setting": {
			"revoke set on parameter log_statement from {d}", "grant set on parameter log_statement to {d}",
			func(t *testing.T, f *fixture, alice string) {
				t.Helper()
				f.write(t, `insert into sync_roles.desired_roles (role_name, settings) values ($1, '{"log_statement": "all"}')`, alice)
			},
			"exists (select from pg_db_role_setting where setrole = $1::regrole and setconfig::text like '%log_statement%')",
		},
		"an attribute": {
			"alter role {d} nocreatedb", "alter role {d} createdb",
			func(t *testing.T, f *fixture, alice string) {
				t.Helper()
				f.write(t, "insert into sync_roles.desired_roles (role_name, createdb) values ($1, true)", alice)
			},
			"(select rolcreatedb from pg_roles where rolname = $1)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			if f.Version < 15 && name == "a setting" || f.Version < 16 && name == "an attribute" {
				t.Skip("before, the daemon needs no such right")
			}
			words := strings.NewReplacer("{d}", f.Daemon)
			f.Exec(t, words.Replace(c.refuse))
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			c.ask(t, f, alice)
			f.insert(t, alice, "SELECT", "table", "app", "sales")
			f.insert(t, bob, "SELECT", "table", "app", "sales")
			f.pending(t)
			f.can(t, alice, "select from app.sales")
			f.can(t, bob, "select from app.sales")
			f.is(t, false, c.made, alice)
			f.outcome(t, alice, plan.Blocked)
			f.outcome(t, bob, plan.Applied)

			f.Exec(t, words.Replace(c.allow))
			f.sync(t)
			f.is(t, true, c.made, alice)
			f.outcome(t, alice, plan.Applied)
			f.quiet(t)
			f.write(t, "delete from sync_roles.desired_grants where object_type = 'table'")
			f.pending(t)
			f.cannot(t, alice, "select from app.sales")
			f.cannot(t, bob, "select from app.sales")
		})
	}
}
