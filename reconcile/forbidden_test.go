package reconcile_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// vault is a fixture with tables that rules are about. In its SQL, {alice} and the like are roles of the test.
type vault struct {
	*fixture
	names *strings.Replacer
}

func newVault(t *testing.T) *vault {
	t.Helper()
	f := newFixture(t)
	var pairs []string
	for _, name := range []string{"alice", "bob", "hannah"} {
		pairs = append(pairs, "{"+name+"}", f.user(t, name))
	}
	for _, name := range []string{"hr", "team"} {
		role := f.Role(name)
		f.Exec(t, "create role "+role)
		f.manageable(t, role)
		pairs = append(pairs, "{"+name+"}", role)
	}
	v := &vault{f, strings.NewReplacer(pairs...)}
	v.owner(t, `create schema hr; grant usage on schema hr to public;
		create table hr.payroll (id int, pay int); create table hr.orders (id int); create table hr.payments (id int); create table hr.plain (id int);
		create view hr.summary as select sum(pay) as pay from hr.payroll; create view hr.names as select id, pay from hr.payroll; create view hr.twice as select * from hr.names;
		create function hr.known() returns bigint security definer begin atomic select sum(pay) from hr.payroll; end;
		revoke execute on function hr.known() from public`)
	v.manager(t, "grant {hr} to {hannah}")
	return v
}

func (v *vault) owner(t *testing.T, sql string) { t.Helper(); v.asOwner(t, v.names.Replace(sql)) }

// manager runs SQL as a superuser, for memberships.
func (v *vault) manager(t *testing.T, sql string) { t.Helper(); v.Exec(t, v.names.Replace(sql)) }

func (v *vault) role(name string) string { return v.names.Replace("{" + name + "}") }

// rule inserts a rule: the columns after reason as in forbidden.
func (v *vault) rule(t *testing.T, columns, values string) {
	t.Helper()
	v.write(t, "insert into sync_roles.forbidden (reason, "+columns+") values ('by the law', "+v.names.Replace(values)+")")
}

// row inserts a desired grant, with these columns.
func (v *vault) row(t *testing.T, columns, values string) int64 {
	t.Helper()
	return pgtest.One[int64](t, v.super, "insert into sync_roles.desired_grants ("+columns+") values ("+v.names.Replace(values)+") returning id")
}

// violations counts them.
func (v *vault) violations(t *testing.T) int {
	t.Helper()
	return pgtest.One[int](t, v.super, "select count(*)::int from sync_roles.violations")
}

const grantColumns = "role_name, privilege, object_type, schema_name, object_name"

type forbiddenWay struct{ before, columns, values, tries string }

// forbiddenWays are rows that a rule about hr.payroll refuses.
var forbiddenWays = map[string]forbiddenWay{
	"a grant":          {"", grantColumns, "'{alice}', 'SELECT', 'table', 'hr', 'payroll'", "select from hr.payroll"},
	"ALL":              {"", grantColumns, "'{alice}', 'ALL', 'table', 'hr', 'payroll'", "select from hr.payroll"},
	"a column":         {"", grantColumns + ", column_name", "'{alice}', 'SELECT', 'table', 'hr', 'payroll', 'pay'", "select pay from hr.payroll"},
	"grantable":        {"", grantColumns + ", grantable", "'{alice}', 'SELECT', 'table', 'hr', 'payroll', true", "select from hr.payroll"},
	"indirect":         {"", grantColumns + ", direct", "'{alice}', 'SELECT', 'table', 'hr', 'payroll', false", "select from hr.payroll"},
	"a pattern":        {"", grantColumns + ", name_match", "'{alice}', 'SELECT', 'table', 'hr', 'pay%l%', 'like'", "select from hr.payroll"},
	"a direct pattern": {"", grantColumns + ", name_match, direct", "'{alice}', 'SELECT', 'table', 'hr', 'payr.*', 'regex', true", "select from hr.payroll"},
	"PUBLIC":           {"", grantColumns, "'public', 'SELECT', 'table', 'hr', 'payroll'", "select from hr.payroll"},
	"a group":          {"grant {team} to {alice}", grantColumns, "'{team}', 'SELECT', 'table', 'hr', 'payroll'", "select from hr.payroll"},
	"a view":           {"", grantColumns, "'{alice}', 'SELECT', 'table', 'hr', 'names'", "select pay from hr.names"},
	"a view of a view": {"", grantColumns, "'{alice}', 'SELECT', 'table', 'hr', 'twice'", "select pay from hr.twice"},
	"a function":       {"", grantColumns, "'{alice}', 'EXECUTE', 'routine', 'hr', 'known()'", "select hr.known()"},
	"except columns":   {"", grantColumns + ", except_columns", "'{alice}', 'SELECT', 'table', 'hr', 'payroll', '{id}'", "select pay from hr.payroll"},
}

// Before anything is granted, and with all else that the role's rows ask for. Each way has a role of its own, PUBLIC a database.
func TestForbiddenRowsAreRefused(t *testing.T) {
	t.Parallel()
	public := map[string]forbiddenWay{"PUBLIC": forbiddenWays["PUBLIC"]}
	others := maps.Clone(forbiddenWays)
	delete(others, "PUBLIC")
	for name, ways := range map[string]map[string]forbiddenWay{"roles": others, "PUBLIC": public} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVault(t)
			bob, hannah := v.role("bob"), v.role("hannah")
			v.rule(t, "privilege, object_type, schema_name, object_name, except_roles", "'SELECT', 'table', 'hr', 'payroll', '{{hr}}'")
			v.row(t, grantColumns, "'{hr}', 'SELECT', 'table', 'hr', 'payroll'")
			roles, ids := map[string]string{}, map[string]int64{}
			for _, way := range slices.Sorted(maps.Keys(ways)) {
				roles[way] = v.user(t, "alice"+strconv.Itoa(len(roles)))
				v.row(t, grantColumns, "'"+roles[way]+"', 'SELECT', 'table', 'hr', 'plain'")
				v.manager(t, strings.ReplaceAll(ways[way].before, "{alice}", roles[way]))
				ids[way] = v.row(t, ways[way].columns, strings.ReplaceAll(ways[way].values, "{alice}", roles[way]))
			}
			v.pending(t)
			for way, role := range roles {
				v.cannot(t, role, ways[way].tries)
				v.can(t, role, "select from hr.plain")
				row := pgtest.One[string](t, v.super, "select status || ': ' || coalesce(reason, '') from sync_roles.grant_status where id = $1", ids[way])
				if !strings.HasPrefix(row, "refused: ") || !strings.Contains(row, "rule 1 (by the law)") {
					t.Errorf("the row for %s is %s", way, row)
				}
			}
			v.cannot(t, bob, "select from hr.payroll")
			v.can(t, hannah, "select from hr.payroll")
			if n := v.violations(t); n != 0 {
				t.Errorf("%d violations", n)
			}
			v.quiet(t)

			// Without the rule the rows are obeyed, and what they gave goes with them.
			v.write(t, "delete from sync_roles.forbidden")
			v.pending(t)
			for way, role := range roles {
				v.can(t, role, ways[way].tries)
			}
			v.quiet(t)
			v.delete(t, slices.Collect(maps.Values(ids))...)
			v.pending(t)
			for way, role := range roles {
				v.cannot(t, role, ways[way].tries)
			}
			v.can(t, hannah, "select from hr.payroll")
			v.quiet(t)
		})
	}
}

// What rows give by memberships: in a role that has it, in one that comes to have it in the same pass, and in one that may not have members.
func TestForbiddenMemberships(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	alice, team := v.role("alice"), v.role("team")
	v.rule(t, "privilege, object_type, schema_name, object_name, applies_to, except_roles", "'SELECT', 'table', 'hr', 'payroll', 'logins', '{{hr}}'")
	v.row(t, grantColumns, "'{alice}', 'MEMBER', 'role', null, '{team}'")
	v.row(t, grantColumns, "'{team}', 'SELECT', 'table', 'hr', 'payroll'")
	v.row(t, grantColumns, "'{team}', 'SELECT', 'table', 'hr', 'plain'")
	v.pending(t)
	v.isMember(t, true, alice, team)
	v.can(t, alice, "select from hr.plain")
	v.cannot(t, alice, "select from hr.payroll")
	v.outcome(t, team, plan.Refused)
	v.quiet(t)

	// The other way round: the group has it already.
	v.write(t, "delete from sync_roles.desired_grants where role_name = $1", alice)
	v.pending(t)
	v.isMember(t, false, alice, team)
	v.rescan(t)
	v.is(t, true, "has_table_privilege($1, 'hr.payroll', 'SELECT')", team)
	v.row(t, grantColumns, "'{alice}', 'MEMBER', 'role', null, '{team}'")
	v.pending(t)
	v.isMember(t, false, alice, team)
	v.outcome(t, alice, plan.Refused)
	v.quiet(t)

	// Who is excepted by a membership of the same pass may have it.
	v.row(t, grantColumns, "'{alice}', 'MEMBER', 'role', null, '{hr}'")
	v.pending(t)
	v.isMember(t, true, alice, v.role("hr"))
	v.isMember(t, true, alice, team)
	v.can(t, alice, "select from hr.payroll")
	v.quiet(t)

	v.rule(t, "privilege, object_type, object_name", "'MEMBER', 'role', '{team}'")
	v.row(t, grantColumns, "'{bob}', 'MEMBER', 'role', null, '{team}'")
	v.pending(t)
	v.isMember(t, false, v.role("bob"), team)
	v.outcome(t, v.role("bob"), plan.Refused)
}

// Two privileges that no role may have together: in one pass, one after the other, over a group, and beside what PUBLIC has.
func TestForbiddenTogether(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	alice, bob := v.role("alice"), v.role("bob")
	v.rule(t, "privilege, object_type, schema_name, object_name, with_privilege, with_object_type, with_schema_name, with_object_name",
		"'WRITE', 'table', 'hr', 'orders', 'WRITE', 'table', 'hr', 'payments'")
	v.row(t, grantColumns, "'{alice}', 'INSERT', 'table', 'hr', 'orders'")
	v.row(t, grantColumns, "'{alice}', 'INSERT', 'table', 'hr', 'payments'")
	v.row(t, grantColumns, "'{alice}', 'SELECT', 'table', 'hr', 'payments'")
	v.row(t, grantColumns, "'{team}', 'INSERT', 'table', 'hr', 'payments'")
	v.row(t, grantColumns, "'{bob}', 'INSERT', 'table', 'hr', 'orders'")
	v.pending(t)
	v.can(t, alice, "insert into hr.orders values (1)")
	v.cannot(t, alice, "insert into hr.payments values (1)")
	v.can(t, alice, "select from hr.payments")
	v.can(t, bob, "insert into hr.orders values (1)")
	v.outcome(t, alice, plan.Refused)
	v.row(t, grantColumns, "'{bob}', 'MEMBER', 'role', null, '{team}'")
	v.pending(t)
	v.isMember(t, false, bob, v.role("team"))
	v.row(t, grantColumns, "'public', 'INSERT', 'table', 'hr', 'payments'")
	v.pending(t)
	v.cannot(t, bob, "insert into hr.payments values (1)")
	if n := v.violations(t); n != 0 {
		t.Errorf("%d violations", n)
	}
	v.quiet(t)
	v.write(t, "delete from sync_roles.desired_grants where role_name = $1 and privilege = 'INSERT' and object_name = 'orders'", alice)
	v.pending(t)
	v.can(t, alice, "insert into hr.payments values (1)")
	v.cannot(t, alice, "insert into hr.orders values (1)")
	v.quiet(t)
}

// An intermediate role that some members may not share: a new object under the pattern is kept from it.
func TestForbiddenToSomeMembers(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	alice, hannah := v.role("alice"), v.role("hannah")
	v.rule(t, "privilege, object_type, schema_name, object_name, except_roles", "'SELECT', 'table', 'hr', 'late', '{{hr}}'")
	for _, role := range []string{"{alice}", "{hannah}"} {
		v.row(t, grantColumns+", name_match", "'"+role+"', 'SELECT', 'table', 'hr', 'la%', 'like'")
	}
	v.owner(t, "create table hr.lamp ()")
	v.pending(t)
	v.can(t, alice, "select from hr.lamp")
	v.owner(t, "create table hr.late ()")
	v.rescan(t)
	v.cannot(t, alice, "select from hr.late")
	v.is(t, true, "exists (select from sync_roles.grant_status where role_name = $1 and status = 'refused' and reason like '%rule 1%')", alice)
	v.quiet(t)
	v.row(t, grantColumns+", direct", "'{hannah}', 'SELECT', 'table', 'hr', 'late', true")
	v.pending(t)
	v.can(t, hannah, "select from hr.late")
	v.cannot(t, alice, "select from hr.late")
	v.quiet(t)
}

// Ownership by logins.
func TestForbiddenOwnership(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	v.rule(t, "privilege, object_type, schema_name, object_name, name_match, applies_to", "'OWNER', 'table', 'hr', '%', 'like', 'logins'")
	v.row(t, grantColumns, "'{alice}', 'OWNER', 'table', 'hr', 'plain'")
	v.row(t, grantColumns, "'{team}', 'OWNER', 'table', 'hr', 'orders'")
	v.pending(t)
	v.outcome(t, v.role("alice"), plan.Refused)
	v.owns(t, v.role("team"), "hr.orders")
	v.quiet(t)
}

// With enforce, the daemon revokes what breaks the rule, whoever has it, and nothing else.
func TestForbiddenIsEnforced(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	alice, bob, hannah := v.role("alice"), v.role("bob"), v.role("hannah")
	v.row(t, grantColumns, "'{hr}', 'SELECT', 'table', 'hr', 'payroll'")
	v.row(t, grantColumns, "'{alice}', 'SELECT', 'table', 'hr', 'payroll'")
	v.row(t, grantColumns+", direct", "'{bob}', 'SELECT', 'table', 'hr', 'payroll', false")
	v.pending(t)
	v.can(t, alice, "select from hr.payroll")
	v.can(t, bob, "select from hr.payroll")
	v.owner(t, "grant select (pay), update on hr.payroll to {team}; grant select on hr.payroll to public; grant select on hr.plain to {bob}")
	v.rule(t, "privilege, object_type, schema_name, object_name, except_roles, enforce", "'SELECT', 'table', 'hr', 'payroll', '{{hr}}', true")
	if v.violations(t) == 0 {
		t.Error("the present state breaks no rule")
	}
	v.pending(t)
	v.rescan(t)
	v.cannot(t, alice, "select from hr.payroll")
	v.cannot(t, bob, "select from hr.payroll")
	v.can(t, bob, "select from hr.plain")
	v.can(t, hannah, "select from hr.payroll")
	v.is(t, false, "has_column_privilege($1, 'hr.payroll', 'pay', 'SELECT')", v.role("team"))
	v.is(t, true, "has_table_privilege($1, 'hr.payroll', 'UPDATE')", v.role("team"))
	if n := v.violations(t); n != 0 {
		t.Errorf("%d violations are left", n)
	}
	v.quiet(t)
	v.owner(t, "grant select on hr.payroll to {alice}")
	v.rescan(t)
	v.cannot(t, alice, "select from hr.payroll")
	v.quiet(t)
}

// The rows say who may read a table, and no one else may.
func TestForbiddenToUndeclared(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	alice, bob := v.role("alice"), v.role("bob")
	v.rule(t, "privilege, object_type, schema_name, object_name, name_match, applies_to, enforce", "'ALL', 'table', 'hr', 'p%', 'like', 'undeclared', true")
	v.row(t, grantColumns, "'{alice}', 'SELECT', 'table', 'hr', 'payroll'")
	v.row(t, grantColumns+", name_match", "'{hr}', 'SELECT', 'table', 'hr', 'pay%', 'like'")
	v.owner(t, "grant select on hr.payroll, hr.orders to {bob}; grant insert on hr.payroll to {alice}; grant select on hr.payments to public")
	v.pending(t)
	v.rescan(t)
	v.can(t, alice, "select from hr.payroll")
	v.can(t, v.role("hannah"), "select from hr.payroll")
	v.cannot(t, alice, "insert into hr.payroll values (1)")
	v.cannot(t, bob, "select from hr.payroll")
	v.cannot(t, bob, "select from hr.payments")
	v.can(t, bob, "select from hr.orders")
	if n := v.violations(t); n != 0 {
		t.Errorf("%d violations are left", n)
	}
	// What was so for a moment is noted all the same.
	for _, name := range []string{bob, "public"} {
		v.is(t, true, "exists (select from sync_roles.violation_history where role_name = $1 and until is not null)", name)
	}
	v.quiet(t)
}

// What others do is a violation at the next look, and told once; and over when it is.
func TestViolationsAreTold(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	listener := v.Connect(t, v.Daemon)
	if _, err := listener.Exec(t.Context(), "listen sync_roles_events"); err != nil {
		t.Fatal(err)
	}
	v.rule(t, "privilege, object_type, schema_name, object_name, except_roles", "'SELECT', 'table', 'hr', 'payroll', '{{hr}}'")
	v.eventTriggers(t, true)
	v.pending(t)
	v.owner(t, "grant select on hr.payroll to {team}; grant select (pay) on hr.names to {bob}")
	v.manager(t, "grant {team} to {alice}")
	v.rescan(t)
	want := v.names.Replace("1 {alice} SELECT payroll: {alice} -> {team}: granted; 1 {bob} SELECT payroll pay: {bob}: view hr.names, owned by ") + v.Owner +
		v.names.Replace("; 1 {team} SELECT payroll: {team}: granted")
	const list = `select coalesce(string_agg(concat_ws(' ', forbidden_id, role_name, privilege, object_name, column_name) || ': ' || path, '; ' order by role_name), '')
		from sync_roles.%s`
	if got := pgtest.One[string](t, v.super, fmt.Sprintf(list, "violations")); got != want {
		t.Errorf("the violations are %s, want %s", got, want)
	}
	if got := pgtest.One[string](t, v.super, fmt.Sprintf(list, "violation_history where until is null")); got != want {
		t.Errorf("noted is %s, want %s", got, want)
	}
	v.is(t, true, "(select culprit like $2 from sync_roles.violations where role_name = $1)", v.role("team"), "% at %grant select on hr.payroll to %")
	told := 0
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		n, err := listener.WaitForNotification(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(n.Payload, `"violation"`) {
			told++
		}
	}
	if told != 3 {
		t.Errorf("told of %d violations", told)
	}
	v.quiet(t)
	v.manager(t, "revoke {team} from {alice}")
	v.rescan(t)
	v.is(t, true, "exists (select from sync_roles.violation_history where role_name = $1 and until is not null)", v.role("alice"))
	v.is(t, false, "exists (select from sync_roles.violations where role_name = $1)", v.role("alice"))
	v.is(t, true, "(select since < now() from sync_roles.violations where role_name = $1)", v.role("team"))

	// The retention deletes those that are over, and leaves the others.
	if _, err := v.engine.Retain(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	v.is(t, false, "exists (select from sync_roles.violation_history where role_name = $1)", v.role("alice"))
	v.is(t, true, "exists (select from sync_roles.violation_history where role_name = $1)", v.role("team"))
}

// What no row says by itself: a view shows more since its owner may read more. Nothing of that pass is committed, and other roles are served.
func TestForbiddenThroughTheOwnerOfAView(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	alice, bob := v.role("alice"), v.role("bob")
	v.manager(t, "grant create on schema hr to {team}; alter view hr.names owner to {team}; grant select on hr.names to {alice}")
	v.rule(t, "privilege, object_type, schema_name, object_name, except_roles", "'SELECT', 'table', 'hr', 'payroll', '{{hr}, {team}}'")
	v.row(t, grantColumns, "'{team}', 'SELECT', 'table', 'hr', 'payroll'")
	v.row(t, grantColumns, "'{bob}', 'SELECT', 'table', 'hr', 'plain'")
	v.pending(t)
	v.cannot(t, alice, "select from hr.names")
	v.can(t, bob, "select from hr.plain")
	v.outcome(t, v.role("team"), plan.Refused)
	if n := v.violations(t); n != 0 {
		t.Errorf("%d violations", n)
	}
	v.owner(t, "set role {team}; revoke select on hr.names from {alice}; reset role")
	v.write(t, "insert into sync_roles.pending (role_name) values ($1)", v.role("team"))
	v.pending(t)
	v.is(t, true, "has_table_privilege($1, 'hr.payroll', 'SELECT')", v.role("team"))
	v.quiet(t)
}

// Objects that are created later are kept from whom a rule keeps them, also in the moment in which they are created.
func TestForbiddenAtCreation(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	alice, bob := v.role("alice"), v.role("bob")
	v.rule(t, "privilege, object_type, schema_name, object_name, except_roles", "'SELECT', 'table', 'hr', 'later', '{{hr}}'")
	v.row(t, grantColumns+", name_match, at_creation", "'{alice}', 'SELECT', 'table', 'hr', '%', 'like', true")
	v.row(t, grantColumns+", name_match, at_creation", "'{bob}', 'INSERT', 'table', 'hr', '%', 'like', true")
	v.pending(t)
	v.owner(t, "create table hr.later (id int); create table hr.other (id int)")
	v.cannot(t, alice, "select from hr.later")
	v.can(t, bob, "insert into hr.later values (1)")
	v.rescan(t)
	v.cannot(t, alice, "select from hr.later")
	v.can(t, alice, "select from hr.other")
	if n := v.violations(t); n != 0 {
		t.Errorf("%d violations", n)
	}
	v.quiet(t)
}

// A role that a rule for logins does not bind may not become a login.
func TestForbiddenToLogins(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	v.rule(t, "privilege, object_type, schema_name, object_name, applies_to", "'SELECT', 'table', 'hr', 'payroll', 'logins'")
	v.row(t, grantColumns, "'{team}', 'SELECT', 'table', 'hr', 'payroll'")
	v.pending(t)
	v.write(t, "insert into sync_roles.desired_roles (role_name, login) values ($1, true)", v.role("team"))
	v.pending(t)
	v.is(t, false, "(select rolcanlogin from pg_roles where rolname = $1)", v.role("team"))
	v.outcome(t, v.role("team"), plan.Refused)
	v.write(t, "delete from sync_roles.desired_grants where role_name = $1", v.role("team"))
	v.pending(t)
	v.is(t, false, "has_table_privilege($1, 'hr.payroll', 'SELECT')", v.role("team"))
}

// What the daemon has no right to revoke is told once, with the grant that it lacks, and stays a violation; other roles are served.
func TestForbiddenWithoutTheRight(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	alice, bob := v.role("alice"), v.role("bob")
	v.manager(t, "create table hr.secret (id int); grant select on hr.secret to {alice}")
	v.owner(t, "grant select on hr.payroll to {bob}")
	v.rule(t, "privilege, object_type, schema_name, object_name, name_match, enforce", "'SELECT', 'table', 'hr', '(secret|payroll)', 'regex', true")
	v.pending(t)
	v.rescan(t)
	v.can(t, alice, "select from hr.secret")
	v.cannot(t, bob, "select from hr.payroll")
	v.outcome(t, alice, plan.Blocked)
	if p := v.last(t, alice).Problems; len(p) != 1 || p[0].Fix == "" {
		t.Errorf("told is %+v", p)
	}
	if n := v.violations(t); n != 1 {
		t.Errorf("%d violations", n)
	}
	v.quiet(t)
	v.Exec(t, v.last(t, alice).Problems[0].Fix)
	v.rescan(t)
	v.cannot(t, alice, "select from hr.secret")
	v.quiet(t)
}

// Names are data, in rules, paths, events and statements.
func TestForbiddenNames(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	role, group, table := v.Role("o'b\"r\\ien -> x"), v.Role("g%\"; drop role x --"), "pay\"roll\n'; --%"
	v.Exec(t, "create role "+quote(role)+" login; create role "+quote(group)+"; grant "+quote(group)+" to "+quote(role)+"; grant connect on database "+v.Database+" to "+quote(role))
	v.owner(t, "create table hr."+quote(table)+" (\"c'\"\"\" int); grant select (\"c'\"\"\") on hr."+quote(table)+" to "+quote(group))
	v.write(t, "insert into sync_roles.forbidden (privilege, object_type, schema_name, object_name, enforce, reason) values ('SELECT', 'table', 'hr', $1, true, 'it''s \"so\"')", table)
	const list = "select string_agg(role_name || ': ' || path || ': ' || reason, '; ' order by role_name) from sync_roles.violations"
	want := group + ": " + group + ": granted: it's \"so\"; " + role + ": " + role + " -> " + group + ": granted: it's \"so\""
	if got := pgtest.One[string](t, v.super, list); got != want {
		t.Errorf("the violations are %s, want %s", got, want)
	}
	v.pending(t)
	v.rescan(t)
	v.cannot(t, role, "select from hr."+quote(table))
	if n := v.violations(t); n != 0 {
		t.Errorf("%d violations are left", n)
	}
	v.quiet(t)
}
