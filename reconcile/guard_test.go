package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
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
				f.outcome(t, r, reconcile.Refused)
				f.problem(t, r, reconcile.Refused, "role "+r)
			}
			f.outcome(t, neighbour, reconcile.Applied)
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
		c.outcome(t, r, reconcile.Refused)
	}
	c.outcome(t, "alice", reconcile.Applied)
	c.is(t, false, "exists (select from pg_roles where rolname in ('pg_new', '_pgsr_new', 'none'))")
	same()
	c.quiet(t)
	c.Exec(t, "set session_replication_role = replica; delete from sync_roles.desired_grants; delete from sync_roles.desired_roles; reset session_replication_role")
	c.rescan(t)
	same()
	c.quiet(t)
}

// Rows that come in without the triggers are held to the same rules.
func TestGuardRowsWithoutTriggers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.user(t, "x")
	same := f.untouched(t, "public")
	insert := "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match) values ($1, $2, $3, nullif($4, ''), $5, $6)"
	for _, r := range [][]any{
		{x, "SELECT", "table", "sync_roles", "desired_grants", "exact"},
		{x, "SELECT", "table", "pg_catalog", "pg_authid", "exact"},
		{x, "SELECT", "table", "pg_catalog", "%", "like"},
		{x, "USAGE", "schema", "", "sync_roles", "exact"},
		{x, "USAGE", "table", "app", "sales", "exact"},
		{x, "SELECT; DROP TABLE app.sales", "table", "app", "sales", "exact"},
		{x, "SELECT", "table; DROP", "app", "sales", "exact"},
		{x, "MEMBER", "role", "", "_pgsr_lock", "exact"},
	} {
		f.smuggle(t, x, insert, r...)
	}
	f.insert(t, x, "SELECT", "table", "app", "costs")
	f.pending(t)
	f.outcome(t, x, reconcile.Refused)
	f.can(t, x, "select from app.costs")
	f.cannot(t, x, "select from app.sales")
	f.is(t, false, "has_schema_privilege($1, 'sync_roles', 'USAGE') or has_table_privilege($1, 'pg_catalog.pg_authid', 'SELECT') or has_table_privilege($1, 'sync_roles.desired_grants', 'SELECT')", x)
	if f.member(t, x, "_pgsr_lock") {
		t.Error("x is a member of _pgsr_lock")
	}
	f.quiet(t)
	same()
}

// Memberships that give away what rows may not: refused; with --allow-membership-in given, and then taken away again.
func TestGuardPrivilegedMemberships(t *testing.T) {
	t.Parallel()
	for name, attributes := range map[string]string{
		"createrole": "createrole", "replication": "replication", "bypassrls": "bypassrls", "superuser": "superuser", "predefined": "", "daemon": "",
	} {
		for _, chain := range []int{0, 1, 3} {
			t.Run(fmt.Sprintf("%s through %d", name, chain), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				var boss string
				switch name {
				case "predefined":
					boss = "pg_read_all_data"
					if f.Version >= 16 {
						f.Exec(t, "grant pg_read_all_data to "+f.Daemon+" with admin true, inherit false, set false")
					}
				case "daemon":
					boss = f.Daemon
				default:
					boss = f.role(t, "boss", attributes)
				}
				asked := boss
				for i := range chain {
					next := f.Role(fmt.Sprintf("link%d", i))
					f.Exec(t, "create role "+next)
					if name != "daemon" { // ADMIN on it would make a circle
						f.manageable(t, next)
					}
					f.Exec(t, "grant "+asked+" to "+next)
					asked = next
				}
				x, neighbour := f.user(t, "x"), f.user(t, "neighbour")
				same := f.untouched(t, neighbour, boss)
				id := f.insert(t, x, "MEMBER", "role", "", asked)
				f.add(t, row{role: x, privilege: "SELECT", objectType: "table", schema: "app", name: "sales"})
				f.pending(t)
				f.outcome(t, x, reconcile.Refused)
				f.problem(t, x, reconcile.Refused, asked, boss, "--allow-membership-in")
				if f.member(t, x, asked) {
					t.Errorf("%s is a member of %s", x, asked)
				}
				f.can(t, x, "select from app.sales")
				f.quiet(t)

				// Some other role is allowed: that changes nothing.
				policy := defaultPolicy
				policy.AllowMembershipIn = []string{f.Role("other"), x}
				f.engine = f.engineWith(t, policy)
				f.sync(t)
				f.outcome(t, x, reconcile.Refused)
				if f.member(t, x, asked) {
					t.Errorf("%s is a member of %s", x, asked)
				}

				policy.AllowMembershipIn = []string{boss}
				if chain == 3 {
					policy.AllowMembershipIn = []string{f.Role("link1")} // the flag covers what the role reaches
				}
				f.engine = f.engineWith(t, policy)
				f.sync(t)
				switch {
				case name == "superuser" && chain == 0, name == "daemon" && f.Version >= 16:
					// Allowed, but PostgreSQL does not let a daemon without superuser give it.
					f.outcome(t, x, reconcile.Blocked)
				default:
					f.outcome(t, x, reconcile.Applied)
					if !f.member(t, x, asked) {
						t.Errorf("%s is not a member of %s", x, asked)
					}
				}
				f.can(t, x, "select from app.sales")
				f.quiet(t)

				// A daemon without the flag does not take it away: the row asks for it. Without the row it goes.
				f.delete(t, id)
				f.pending(t)
				if f.member(t, x, asked) {
					t.Errorf("%s is still a member of %s", x, asked)
				}
				f.quiet(t)
				same()
			})
		}
	}
}

// A superuser's daemon is held to the same rules.
func TestGuardMembershipsOfASuperuserDaemon(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.superuserDaemon(t)
	boss, maker, innocent := f.role(t, "boss", "superuser"), f.role(t, "maker", "createrole"), f.role(t, "innocent", "")
	f.Exec(t, "grant "+maker+" to "+innocent)
	x := f.user(t, "x")
	for _, g := range []string{boss, maker, innocent, "pg_read_all_data", "pg_execute_server_program", f.Daemon, "postgres"} {
		f.insert(t, x, "MEMBER", "role", "", g)
	}
	f.insert(t, x, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.outcome(t, x, reconcile.Refused)
	if n := len(f.last(t, x).Problems); n != 7 {
		t.Errorf("%d problems, want 7: %v", n, f.last(t, x))
	}
	f.is(t, false, "exists (select from pg_auth_members where member = (select oid from pg_roles where rolname = $1))", x)
	f.can(t, x, "select from app.sales")
	f.quiet(t)
	policy := defaultPolicy
	policy.AllowMembershipIn = []string{boss}
	f.engine = f.engineWith(t, policy)
	f.sync(t)
	if !f.member(t, x, boss) || f.member(t, x, maker) || f.member(t, x, "pg_read_all_data") {
		t.Errorf("only the membership in %s is allowed: %v", boss, f.holdings(t, x))
	}
	f.write(t, "delete from sync_roles.desired_grants where object_type = 'role'")
	f.pending(t)
	if f.member(t, x, boss) {
		t.Error("the membership is left")
	}
	f.quiet(t)
}

// A role becomes privileged by rows of the same batch: the membership in it is refused all the same.
func TestGuardPrivilegedInTheSameBatch(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	policy := defaultPolicy
	policy.AllowAttribute = []string{"createrole"}
	f.engine = f.engineWith(t, policy)
	// In the order of names each is the first once.
	a, b, c, d := f.Role("a"), f.Role("b"), f.Role("c"), f.Role("d")
	f.write(t, "insert into sync_roles.desired_roles (role_name, createrole) values ($1, true), ($2, true)", b, c)
	f.insert(t, a, "MEMBER", "role", "", b)
	f.insert(t, d, "MEMBER", "role", "", c)
	f.pending(t)
	f.is(t, true, "rolcreaterole from pg_roles where rolname = $1", b)
	if f.member(t, a, b) || f.member(t, d, c) {
		t.Error("a membership in a role with CREATEROLE was given")
	}
	f.outcome(t, a, reconcile.Refused)
	f.outcome(t, d, reconcile.Refused)
	f.quiet(t)
}

// A chain that only comes to be in this batch: x → y → maker, where maker's membership is y's by a row that the policy allows.
func TestGuardChainInTheSameBatch(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	maker := f.role(t, "maker", "createrole")
	policy := defaultPolicy
	policy.AllowMembershipIn = []string{maker}
	allowed := f.engineWith(t, policy)
	y, x := f.user(t, "y"), f.user(t, "x")
	f.insert(t, y, "MEMBER", "role", "", maker)
	if _, err := allowed.Sync(t.Context(), []string{y}, false); err != nil {
		t.Fatal(err)
	}
	if !f.member(t, y, maker) {
		t.Fatal("the policy does not allow it")
	}
	// Without the flag, y now reaches maker.
	f.insert(t, x, "MEMBER", "role", "", y)
	f.pending(t)
	f.outcome(t, x, reconcile.Refused)
	if f.member(t, x, y) {
		t.Errorf("%s reaches %s", x, maker)
	}
	f.quiet(t)
}

func TestGuardCircularMemberships(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b, c := f.role(t, "a", ""), f.role(t, "b", ""), f.user(t, "c")
	neighbour := f.user(t, "neighbour")
	f.insert(t, a, "MEMBER", "role", "", b)
	f.pending(t)
	// Against what exists.
	back := f.insert(t, b, "MEMBER", "role", "", a)
	f.insert(t, b, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.outcome(t, b, reconcile.Refused)
	f.problem(t, b, reconcile.Refused, a, "circular")
	f.is(t, true, "has_table_privilege($1, 'app.sales', 'SELECT')", b)
	f.quiet(t)
	f.delete(t, back)
	f.pending(t)

	// Within one batch, over three roles, with a neighbour in it.
	x, y, z := f.user(t, "x"), f.user(t, "y"), f.user(t, "z")
	f.write(t, `insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name)
		values ($1, 'MEMBER', 'role', $2), ($2, 'MEMBER', 'role', $3), ($3, 'MEMBER', 'role', $1), ($4, 'MEMBER', 'role', $1)`, x, y, z, neighbour)
	for _, r := range []string{x, y, z, neighbour, c} {
		f.insert(t, r, "SELECT", "table", "app", "costs")
	}
	f.pending(t)
	n := 0
	for _, pair := range [][2]string{{x, y}, {y, z}, {z, x}} {
		if f.member(t, pair[0], pair[1]) {
			n++
			f.outcome(t, pair[0], reconcile.Applied)
		} else {
			f.outcome(t, pair[0], reconcile.Refused)
			f.problem(t, pair[0], reconcile.Refused, "circular")
		}
	}
	if n != 2 {
		t.Errorf("%d of the three memberships were given, want 2", n)
	}
	if !f.member(t, neighbour, x) {
		t.Errorf("the neighbour's membership was not given: %v", f.last(t, neighbour))
	}
	for _, r := range []string{x, y, z, neighbour, c} {
		f.can(t, r, "select from app.costs")
	}
	f.quiet(t)
}

// Patterns for MEMBER find innocent roles only.
func TestGuardMembershipPatterns(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "trust")
	c.Exec(t, `create role alice login; create role innocent; create role "Odd one"; create role boss superuser; create role maker createrole; create role repl replication;
		create role bypass bypassrls; create role chained; grant maker to chained; create role reader; grant pg_read_all_data to reader; create role _pgsr_somebody;
		grant connect on database db to alice; create role bob; create role daemons; grant daemon to daemons`)
	if c.Version >= 16 {
		for _, r := range []string{"innocent", `"Odd one"`, "maker", "repl", "bypass", "chained", "reader", "_pgsr_somebody", "owner", "bob", "pg_read_all_data", "pg_monitor"} {
			c.Exec(t, "grant "+r+" to daemon with admin true, inherit false, set false")
		}
		c.Exec(t, "grant alice to daemon with admin true, inherit false, set false")
	}
	same, nothing := c.untouched(t, "bob", "boss", "maker", "postgres", "pg_monitor"), c.nothingBorrowed(t)
	groups := func() []string {
		t.Helper()
		return textsOf(t, c.super, "select roleid::regrole::text from pg_auth_members where member = 'alice'::regrole order by 1")
	}
	for _, pattern := range [][2]string{{"%", "like"}, {".*", "regex"}, {"(?:_pgsr_.*|pg_.*|boss|m.*|r.*|b.*|c.*|d.*|innocent|Odd one|owner)", "regex"}} {
		id := c.add(t, row{role: "alice", privilege: "MEMBER", objectType: "role", name: pattern[0], match: pattern[1]})
		c.pending(t)
		got := groups()
		for _, bad := range []string{"boss", "maker", "repl", "bypass", "chained", "reader", "daemons", "daemon", "postgres", "alice"} {
			if slices.Contains(got, bad) {
				t.Errorf("the pattern %q gives membership in %s", pattern[0], bad)
			}
		}
		if slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "pg_") || strings.HasPrefix(s, "_pgsr_") }) {
			t.Errorf("the pattern %q gives %v", pattern[0], got)
		}
		for _, good := range []string{"innocent", `"Odd one"`} {
			if !slices.Contains(got, good) {
				t.Errorf("the pattern %q does not give %s: %v", pattern[0], good, c.last(t, "alice"))
			}
		}
		c.quiet(t)
		c.delete(t, id)
		c.pending(t)
		if got := groups(); len(got) > 0 {
			t.Errorf("the memberships %v are left", got)
		}
		c.quiet(t)
	}
	same()
	nothing()
}

// A pattern that matches the role itself does not make it refused: it passes it by.
func TestGuardPatternPassesTheRoleItselfBy(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.user(t, "team_x")
	g := f.role(t, "team_g", "")
	f.add(t, row{role: x, privilege: "MEMBER", objectType: "role", name: strings.ReplaceAll(f.Role("team_"), "_", `\_`) + "%", match: "like"})
	f.pending(t)
	if !f.member(t, x, g) {
		t.Errorf("%s is not a member of %s", x, g)
	}
	f.outcome(t, x, reconcile.Applied)
	f.quiet(t)
}

// Nothing in sync_roles and PostgreSQL's own schemas is found by a pattern, nor the schemas themselves.
func TestGuardProtectedSchemas(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.superuserDaemon(t) // who could do it
	x := f.user(t, "x")
	f.Exec(t, "create schema pgx; create table pgx.t (id int)")
	for _, match := range []string{"%", "pg%", "sync%", "inf%", `pg\_toast%`} {
		f.add(t, row{role: x, privilege: "ALL", objectType: "schema", name: match, match: "like"})
	}
	f.add(t, row{role: x, privilege: "OWNER", objectType: "schema", name: "(sync_roles|pg_catalog|information_schema|pg_toast)", match: "regex"})
	f.pending(t)
	f.is(t, true, "has_schema_privilege($1, 'app', 'CREATE')", x)
	f.is(t, true, "has_schema_privilege($1, 'pgx', 'CREATE')", x)
	f.is(t, false, "bool_or(nspacl::text ~ $1) from pg_namespace where nspname in ('sync_roles', 'pg_catalog', 'information_schema', 'pg_toast')", x)
	f.is(t, false, "bool_or(nspowner::regrole::text = $1) from pg_namespace", x)
	f.is(t, false, "has_schema_privilege($1, 'sync_roles', 'USAGE') or has_schema_privilege($1, 'sync_roles', 'CREATE') or has_schema_privilege($1, 'pg_catalog', 'CREATE')", x)
	f.quiet(t)
	for _, schema := range []string{"sync_roles", "pg_catalog", "information_schema", "pg_toast", "pg_temp_1", "pg_temp"} {
		for _, r := range []row{
			{role: x, privilege: "SELECT", objectType: "table", schema: schema, name: "%", match: "like"},
			{role: x, privilege: "EXECUTE", objectType: "routine", schema: schema, name: "f"},
			{role: x, privilege: "OWNER", objectType: "schema", name: schema},
			{role: x, privilege: "OWNER", objectType: "schema", name: schema, create: true},
			{role: x, privilege: "USAGE", objectType: "schema", name: schema},
		} {
			if _, err := f.tryAdd(t, r); err == nil || sqlstate(t, err) != "23514" {
				t.Errorf("%+v: %v", r, err)
			}
		}
	}
	f.write(t, "delete from sync_roles.desired_grants")
	f.pending(t)
	f.is(t, false, "has_schema_privilege($1, 'pgx', 'CREATE') or has_schema_privilege($1, 'app', 'CREATE')", x)
	f.quiet(t)
}

// Roles whose names are SQL's own words are ordinary roles.
func TestGuardNamesThatAreWords(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "trust")
	same := c.untouched(t, "public")
	names := []string{"PUBLIC", "Public", "current_user", "session_user", "current_role", "user", "all", "default", "NONE", "PG_x", "12345", "-", "_PGSR_x", "table", "a.b", "%s", "$1", "--", "/*"}
	daemonHas := withoutMemberships(c.holdings(t, "daemon"))
	for _, name := range names {
		c.write(t, "insert into sync_roles.desired_roles (role_name, login) values ($1, true)", name)
		c.insert(t, name, "CONNECT", "database", "", "db")
		c.insert(t, name, "SELECT", "table", "app", "sales")
		c.add(t, row{role: name, privilege: "SELECT", objectType: "table", schema: "app", name: "c%", match: "like"})
		c.insert(t, name, "MEMBER", "role", "", "team of "+name)
		c.insert(t, "team of "+name, "UPDATE", "table", "app", "costs")
		c.add(t, row{role: name, privilege: "OWNER", objectType: "schema", name: "schema of " + name, create: true})
	}
	c.pending(t)
	for _, name := range names {
		c.outcome(t, name, reconcile.Applied)
		c.may(t, true, name, "select from app.sales, app.costs; update app.costs set id = 1; create table "+pgx.Identifier{"schema of " + name, "t"}.Sanitize()+" (id int)")
		c.may(t, false, name, "insert into app.sales values (1)")
		if !c.member(t, name, "team of "+name) {
			t.Errorf("%q is no member of its team", name)
		}
	}
	c.quiet(t)
	same()
	sameList(t, "what the daemon has", withoutMemberships(c.holdings(t, "daemon")), daemonHas)
	c.write(t, "delete from sync_roles.desired_grants where privilege <> 'CONNECT'")
	c.pending(t)
	for _, name := range names {
		c.may(t, false, name, "select from app.sales")
		c.may(t, false, name, "select from app.costs")
		if c.member(t, name, "team of "+name) {
			t.Errorf("%q is still a member of its team", name)
		}
	}
	c.quiet(t)
	same()
}

// Names with quotes, newlines, emoji and 63 bytes, of roles as grantees, as groups and as grantors.
func TestGuardOddNames(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	neighbour := f.user(t, "neighbour")
	same := f.untouched(t, neighbour, "public")
	fill := func(name, with string) string {
		for len(f.Role(name))+len(with) <= 63 {
			name += with
		}
		for len(f.Role(name)) < 63 {
			name += "x"
		}
		return name
	}
	long := fill("long", "l")
	names := []string{
		`quo"te`, `quo'te`, "new\nline", "tab\t\r", `back\slash`, `E'\''`, "😀", "naïve", "semi;colon; DROP ROLE x", "Upper", "sp ace ", " lead", "$$", "a,b", "a\x01",
		fill("é", "é"), fill("😀", "😀"), long[:len(long)-1] + "1", long[:len(long)-1] + "2", `a"=r*/"b`, "{}", "\u202eright to left",
	}
	for _, name := range names {
		x, g := f.Role(name), f.Role("g"+name)
		for len(g) > 63 || !utf8.ValidString(g) {
			g = g[:len(g)-1]
		}
		f.write(t, "insert into sync_roles.desired_roles (role_name, login) values ($1, true)", x)
		f.insert(t, x, "CONNECT", "database", "", f.Database)
		f.add(t, row{role: x, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", grantable: true})
		f.add(t, row{role: x, privilege: "SELECT", objectType: "table", schema: "app", name: "c%", match: "like"})
		if _, err := f.tryAdd(t, row{role: x, privilege: "MEMBER", objectType: "role", name: g}); err != nil {
			t.Errorf("a MEMBER row for %q in %q: %v", x, g, err)
		}
	}
	f.pending(t)
	for _, name := range names {
		x := f.Role(name)
		f.outcome(t, x, reconcile.Applied)
		f.can(t, x, "select from app.sales, app.costs; grant select on app.sales to "+f.Role("neighbour"))
		f.cannot(t, x, "insert into app.sales values (1)")
		f.is(t, true, "count(*) = 1 from pg_auth_members as m join pg_roles as g on g.oid = m.roleid where m.member = (select oid from pg_roles where rolname = $1) and not starts_with(g.rolname, '_pgsr_')", x)
	}
	f.quiet(t)
	f.write(t, "delete from sync_roles.desired_grants where privilege <> 'CONNECT'")
	f.pending(t)
	for _, name := range names {
		x := f.Role(name)
		f.cannot(t, x, "select from app.sales")
		f.cannot(t, x, "select from app.costs")
	}
	f.is(t, false, "exists (select from pg_auth_members as m join pg_roles as g on g.oid = m.roleid join pg_roles as u on u.oid = m.member where starts_with(g.rolname, $1) and u.rolname <> $2)", f.Prefix+"g", f.Daemon)
	f.quiet(t)
	same()

	for _, name := range []string{strings.Repeat("x", 64), strings.Repeat("😀", 16), ""} {
		if _, err := f.tryAdd(t, row{role: name, privilege: "SELECT", objectType: "table", schema: "app", name: "sales"}); err == nil || sqlstate(t, err) != "23514" {
			t.Errorf("the name %q: %v", name, err)
		}
		if _, err := f.tryAdd(t, row{role: f.Role("x"), privilege: "MEMBER", objectType: "role", name: name}); err == nil || sqlstate(t, err) != "23514" {
			t.Errorf("membership in %q: %v", name, err)
		}
		if _, err := f.daemon.Exec(t.Context(), "insert into sync_roles.desired_roles (role_name) values ($1)", name); err == nil || sqlstate(t, err) != "23514" {
			t.Errorf("the role %q: %v", name, err)
		}
	}
}

// The role of a MEMBER row is created if it does not exist; not if its name is reserved, and without login.
func TestGuardCreatedGroups(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.user(t, "x")
	g := f.Role("g")
	f.insert(t, x, "MEMBER", "role", "", g)
	f.insert(t, x, "MEMBER", "role", "", "pg_no_such_role")
	f.pending(t)
	f.outcome(t, x, reconcile.Refused)
	f.is(t, false, "rolcanlogin from pg_roles where rolname = $1", g)
	if !f.member(t, x, g) {
		t.Errorf("%s is not a member of %s", x, g)
	}
	f.quiet(t)
	for _, name := range []string{"_pgsr_lock", "_pgsr_new", "public", "none", x} {
		if _, err := f.tryAdd(t, row{role: x, privilege: "MEMBER", objectType: "role", name: name}); err == nil || sqlstate(t, err) != "23514" {
			t.Errorf("membership in %q: %v", name, err)
		}
	}
	f.write(t, "delete from sync_roles.desired_grants where role_name = $1", x)
	f.pending(t)
	if f.member(t, x, g) {
		t.Errorf("%s is still a member of %s", x, g)
	}
	f.is(t, true, "exists (select from pg_roles where rolname = $1)", g)
	f.quiet(t)
}

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
	if f.member(t, x, name) {
		t.Error("x is a member of a superuser")
	}
	f.can(t, neighbour, "select from app.sales")
	f.can(t, x, "select from app.costs") // what has nothing to do with it
	f.outcome(t, x, reconcile.Blocked)
	f.problem(t, x, reconcile.Blocked, name)
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
			if f.Version < 16 || name != "member" && name != "holds more" {
				// Since 16, what a superuser gave by hand through a role that is not the daemon's is no business of an additive role.
				f.cannot(t, x, "select from app.costs")
			}
			f.cannot(t, x, "create role "+f.Role("new"))
			f.can(t, neighbour, "select from app.sales")
			if last := f.last(t, x); last.Outcome == string(reconcile.Applied) || last.Outcome == string(reconcile.Unchanged) {
				f.can(t, x, "select from app.sales")
			}
			f.quiet(t)
			f.delete(t, id)
			f.pending(t)
			if f.Version < 16 || name != "member" {
				f.cannot(t, x, "select from app.sales")
			}
			f.quiet(t)
		})
	}
}
