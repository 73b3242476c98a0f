package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// smuggle writes rows past the triggers, as a restore or logical replication does, and queues the role.
func (f *fixture) smuggle(t *testing.T, role, sql string, args ...any) {
	t.Helper()
	for _, s := range []string{"set session_replication_role = replica", sql, "insert into sync_roles.pending (role_name) values ($1)", "reset session_replication_role"} {
		var a []any
		switch {
		case s == sql:
			a = args
		case strings.Contains(s, "$1"):
			a = []any{role}
		}
		_, err := f.super.Exec(t.Context(), s, a...)
		if err != nil && (s != sql || sqlstate(t, err) != "23514") { // what is checked even so is refused at the door
			t.Fatalf("run %s: %v", s, err)
		}
	}
}

// Roles that are never managed: what rows say of them changes nothing, not even where they say that all must go.
func TestGuardProtectedGrantees(t *testing.T) {
	t.Parallel()
	for _, superuser := range []bool{false, true} {
		t.Run(fmt.Sprintf("daemon superuser %t", superuser), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			boss, shielded, neighbour, group := f.role(t, "boss", "superuser login"), f.role(t, "shielded", "login"), f.user(t, "neighbour"), f.role(t, "group", "")
			f.asOwner(t, fmt.Sprintf("grant select on app.sales to %s, %s, %s", boss, shielded, f.Daemon))
			f.Exec(t, fmt.Sprintf("grant %s to %s, %s; create table app.b (id int); alter table app.b owner to %s; create table app.s (id int); alter table app.s owner to %[3]s", group, boss, shielded, shielded))
			if superuser {
				f.Exec(t, "alter role "+f.Daemon+" superuser")
			}
			policy := defaultPolicy
			policy.Protect = []string{f.Role("nobody"), shielded}
			f.engine = f.engineWith(t, policy)
			neighbourSame := f.untouched(t, neighbour, "public")

			for _, r := range []string{boss, shielded, f.Daemon, f.Role("nobody")} {
				f.write(t, "insert into sync_roles.desired_roles (role_name, login, createdb, connection_limit, password_verifier, revoke_other) values ($1, false, true, 1, '', '{all}')", r)
				f.insert(t, r, "INSERT", "table", "app", "costs")
				f.add(t, row{role: r, privilege: "SELECT", objectType: "table", schema: "app", name: "%", match: "like"})
				f.insert(t, r, "MEMBER", "role", "", f.role(t, "fine_"+r, ""))
				f.insert(t, r, "OWNER", "table", "app", "mine_"+r)
				f.add(t, row{role: r, privilege: "OWNER", objectType: "schema", name: "schema_" + r, create: true})
				f.asOwner(t, "create table app."+quote("mine_"+r)+" (id int)")
			}
			f.insert(t, neighbour, "SELECT", "table", "app", "sales")
			same := f.untouched(t, boss, shielded, f.Owner)
			daemonHas := withoutMemberships(f.holdings(t, f.Daemon))
			f.pending(t)
			for _, r := range []string{boss, shielded, f.Daemon, f.Role("nobody")} {
				f.outcome(t, r, plan.Refused)
				f.problem(t, r, plan.Refused, "role "+r)
			}
			f.outcome(t, neighbour, plan.Applied)
			f.can(t, neighbour, "select from app.sales")
			f.is(t, false, "exists (select from pg_roles where rolname = $1)", f.Role("nobody"))
			f.is(t, false, "exists (select from pg_namespace where nspname like 'schema\\_%')")
			same()
			sameList(t, "what the daemon has", withoutMemberships(f.holdings(t, f.Daemon)), daemonHas)
			f.quiet(t)

			// Nor when the rows go.
			f.write(t, "truncate sync_roles.desired_grants, sync_roles.desired_roles")
			f.pending(t)
			same()
			sameList(t, "what the daemon has", withoutMemberships(f.holdings(t, f.Daemon)), daemonHas)
			neighbourSame()
			f.quiet(t)
		})
	}
}

func withoutMemberships(holdings []string) []string {
	return slices.DeleteFunc(holdings, func(s string) bool { return strings.HasPrefix(s, "role_memberships ") })
}

// Names that are refused at INSERT, and by the engine where they come in without the triggers.
func TestGuardReservedGrantees(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "trust")
	c.Exec(t, "create role _pgsr_mine; grant _pgsr_mine to daemon with admin option; grant select on app.costs to _pgsr_mine, pg_monitor")
	same := c.untouched(t, "pg_monitor", "_pgsr_mine", "_pgsr_lock", "postgres", "public")
	for _, r := range []string{"pg_monitor", "pg_new", "_pgsr_mine", "_pgsr_lock", "_pgsr_new", "none"} {
		if _, err := c.tryAdd(t, row{role: r, privilege: "SELECT", objectType: "table", schema: "app", name: "sales"}); err == nil || sqlstate(t, err) != "23514" {
			t.Errorf("a desired grant for %s: %v", r, err)
		}
		if _, err := c.daemon.Exec(t.Context(), "insert into sync_roles.desired_roles (role_name) values ($1)", r); err == nil || sqlstate(t, err) != "23514" {
			t.Errorf("a desired role %s: %v", r, err)
		}
		c.smuggle(t, r, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ($1, 'SELECT', 'table', 'app', 'sales')", r)
		c.smuggle(t, r, "insert into sync_roles.desired_roles (role_name, login, revoke_other) values ($1, true, '{all}')", r)
	}
	c.insert(t, "postgres", "SELECT", "table", "app", "sales")
	c.write(t, "insert into sync_roles.desired_roles (role_name, login, revoke_other) values ('postgres', false, '{all}')")
	c.insert(t, "alice", "SELECT", "table", "app", "sales")
	c.pending(t)
	for _, r := range []string{"pg_monitor", "pg_new", "_pgsr_mine", "_pgsr_lock", "_pgsr_new", "none", "postgres"} {
		c.outcome(t, r, plan.Refused)
	}
	c.outcome(t, "alice", plan.Applied)
	c.is(t, false, "exists (select from pg_roles where rolname in ('pg_new', '_pgsr_new', 'none'))")
	same()
	c.quiet(t)
	c.Exec(t, "set session_replication_role = replica; delete from sync_roles.desired_grants; delete from sync_roles.desired_roles; reset session_replication_role")
	c.rescan(t)
	same()
	c.quiet(t)
}
