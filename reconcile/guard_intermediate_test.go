package reconcile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// The registry says what an intermediate role is; the name proves nothing.
func TestGuardForgedIntermediateRole(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.user(t, "x")
	oid := pgtest.One[uint32](t, f.super, "select oid from pg_database where datname = current_database()")
	f.add(t, row{role: x, privilege: "SELECT", objectType: "table", schema: "app", name: "s%", match: "like"})
	// Somebody makes the role first, with the name that the engine would choose, and as a superuser.
	name := ""
	for _, s := range f.dryRun(t).Statements {
		if rest, ok := strings.CutPrefix(s, `CREATE ROLE "_pgsr_`); ok && strings.Contains(s, "NOLOGIN") && !strings.Contains(strings.SplitN(rest, `"`, 2)[0], "keeper") {
			name = "_pgsr_" + strings.SplitN(rest, `"`, 2)[0]
		}
	}
	if !strings.HasPrefix(name, fmt.Sprintf("_pgsr_%d_", oid)) {
		t.Fatalf("no intermediate role is planned: %q", name)
	}
	f.Exec(t, "create role "+name+" superuser login")
	f.afterwards(t, "drop owned by "+name+"; drop role "+name)
	neighbour := f.user(t, "neighbour")
	f.insert(t, neighbour, "SELECT", "table", "app", "sales")
	f.insert(t, x, "SELECT", "table", "app", "costs")
	f.pending(t)
	f.cannot(t, x, "set role "+name)
	f.isMember(t, false, x, name)
	f.can(t, neighbour, "select from app.sales")
	f.can(t, x, "select from app.costs") // what has nothing to do with it
	// The row is served through a role of another name, and the stranger reported.
	f.can(t, x, "select from app.sales")
	f.outcome(t, x, plan.Applied)
	f.outcome(t, name, plan.Refused)
	f.problem(t, name, plan.Refused, name)
	f.quiet(t)
}

// Somebody drops an intermediate role, and makes another of its name: x gets from it no more than the selector says.
func TestGuardReplacedIntermediateRole(t *testing.T) {
	t.Parallel()
	for name, evil := range map[string]string{
		"plain": "", "superuser": "alter role %s superuser", "holds more": "grant select on app.costs to %s", "member": "grant pg_read_all_data to %s",
		"login": "alter role %s login createdb", "createrole": "alter role %s createrole",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			x, neighbour := f.user(t, "x"), f.user(t, "neighbour")
			id := f.add(t, row{role: x, privilege: "SELECT", objectType: "table", schema: "app", name: "s%", match: "like"})
			f.insert(t, neighbour, "SELECT", "table", "app", "sales")
			f.pending(t)
			f.quiet(t)
			inter := quote(f.texts(t, "select role_name from sync_roles.intermediate_roles")[0])
			f.Exec(t, "drop owned by "+inter+"; drop role "+inter+"; create role "+inter+"; grant "+inter+" to "+x)
			if evil != "" {
				f.Exec(t, fmt.Sprintf(evil, inter))
			}
			f.afterwards(t, "do $$ begin drop owned by "+inter+"; drop role "+inter+"; exception when undefined_object then null; end $$")
			f.rescan(t)
			if name != "member" && name != "holds more" {
				// What a superuser gave by hand through a role that is not the daemon's is no business of an additive role.
				f.cannot(t, x, "select from app.costs")
			}
			f.cannot(t, x, "create role "+f.Role("new"))
			f.can(t, neighbour, "select from app.sales")
			if last := f.last(t, x); last.Outcome == string(plan.Applied) || last.Outcome == string(plan.Unchanged) {
				f.can(t, x, "select from app.sales")
			}
			f.quiet(t)
			f.delete(t, id)
			f.pending(t)
			if name != "member" {
				f.cannot(t, x, "select from app.sales")
			}
			f.quiet(t)
		})
	}
}
