package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// Memberships that give away what rows may not: refused; with --allow-membership-in given, and then revoked again.
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
				f.outcome(t, x, plan.Refused)
				f.problem(t, x, plan.Refused, asked, boss, "--allow-membership-in")
				f.isMember(t, false, x, asked)
				f.can(t, x, "select from app.sales")
				f.quiet(t)

				// Some other role is allowed: that changes nothing.
				policy := defaultPolicy
				policy.AllowMembershipIn = []string{f.Role("other"), x}
				f.engine = f.engineWith(t, policy)
				f.sync(t)
				f.outcome(t, x, plan.Refused)
				f.isMember(t, false, x, asked)

				policy.AllowMembershipIn = []string{boss}
				if chain == 3 {
					policy.AllowMembershipIn = []string{f.Role("link1")} // the flag covers what the role reaches
				}
				f.engine = f.engineWith(t, policy)
				f.sync(t)
				switch {
				case name == "superuser" && chain == 0, name == "daemon" && f.Version >= 16:
					// Allowed, but PostgreSQL does not let a daemon without superuser give it.
					f.outcome(t, x, plan.Blocked)
				default:
					f.outcome(t, x, plan.Applied)
					f.isMember(t, true, x, asked)
				}
				f.can(t, x, "select from app.sales")
				f.quiet(t)

				// A daemon without the flag does not take it away: the row asks for it. Without the row it goes.
				f.delete(t, id)
				f.pending(t)
				f.isMember(t, false, x, asked)
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
	f.outcome(t, x, plan.Refused)
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
	f.isMember(t, false, x, boss)
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
	f.isMember(t, false, a, b)
	f.isMember(t, false, d, c)
	f.outcome(t, a, plan.Refused)
	f.outcome(t, d, plan.Refused)
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
	f.outcome(t, x, plan.Refused)
	f.isMember(t, false, x, y)
	// The next look takes from y what this engine does not allow; then there is nothing against x's row.
	f.rescan(t)
	f.isMember(t, false, y, maker)
	f.outcome(t, y, plan.Refused)
	f.rescan(t)
	f.isMember(t, true, x, y)
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
	f.outcome(t, b, plan.Refused)
	f.problem(t, b, plan.Refused, a, "circular")
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
			f.outcome(t, pair[0], plan.Applied)
		} else {
			f.outcome(t, pair[0], plan.Refused)
			f.problem(t, pair[0], plan.Refused, "circular")
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
	f.isMember(t, true, x, g)
	f.outcome(t, x, plan.Applied)
	f.quiet(t)
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
	f.outcome(t, x, plan.Refused)
	f.is(t, false, "rolcanlogin from pg_roles where rolname = $1", g)
	f.isMember(t, true, x, g)
	f.quiet(t)
	for _, name := range []string{"_pgsr_lock", "_pgsr_new", "public", "none", x} {
		if _, err := f.tryAdd(t, row{role: x, privilege: "MEMBER", objectType: "role", name: name}); err == nil || sqlstate(t, err) != "23514" {
			t.Errorf("membership in %q: %v", name, err)
		}
	}
	f.write(t, "delete from sync_roles.desired_grants where role_name = $1", x)
	f.pending(t)
	f.isMember(t, false, x, g)
	f.is(t, true, "exists (select from pg_roles where rolname = $1)", g)
	f.quiet(t)
}
