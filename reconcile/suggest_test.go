package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

func (f *fixture) suggest(t *testing.T, roles ...string) []reconcile.Suggestion {
	t.Helper()
	list, err := f.engine.Suggest(t.Context(), roles)
	if err != nil {
		t.Fatalf("suggest: %v", err)
	}
	for _, s := range list {
		for _, p := range s.Problems {
			t.Errorf("%s: a problem: %+v", s.Group, p)
		}
	}
	return list
}

// follow runs what is suggested.
func (f *fixture) follow(t *testing.T, list []reconcile.Suggestion) {
	t.Helper()
	for _, s := range list {
		sql := "begin;\n"
		for _, statement := range s.Statements() {
			sql += statement.SQL + ";\n"
		}
		f.write(t, sql+"commit")
	}
}

// membersOf are the members that are suggested for a group.
func membersOf(s reconcile.Suggestion) []string {
	var names []string
	for _, m := range s.Members {
		names = append(names, m.Name)
	}
	return names
}

// granted tells if a role has an entry of its own in a table's ACL.
func (f *fixture) granted(t *testing.T, role, table string) bool {
	t.Helper()
	return pgtest.One[bool](t, f.super, `
		select exists (
			select from pg_class as c cross join aclexplode(c.relacl) as a
			where c.oid = $2::regclass and a.grantee = (select oid from pg_roles where rolname = $1))`, role, table)
}

// What roles hold alike, by rows or by hand, moves to a group, and everybody can do what they could.
func TestSuggest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob, carol, dave := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "carol"), f.user(t, "dave")
	mart := f.Role("mart") // and so the group has the test's prefix
	f.asOwner(t, strings.ReplaceAll(`create schema mart; create table mart.sales (); create table mart.costs (id int); create table mart.a (); create table mart.b (); create table mart.c ();
		create function mart.f() returns int return 1; revoke execute on function mart.f() from public`, "mart", mart))
	all := strings.ReplaceAll("usage on schema mart to %[1]s; grant select on all tables in schema mart to %[1]s; grant execute on function mart.f() to %[1]s", "mart", mart)
	f.asOwner(t, "grant "+fmt.Sprintf(all, alice+", "+carol))
	f.asOwner(t, "grant update on "+mart+".costs to "+carol)
	for _, table := range []string{"sales", "costs", "a", "b", "c"} {
		f.insert(t, bob, "SELECT", "table", mart, table)
	}
	f.insert(t, bob, "USAGE", "schema", "", mart)
	f.insert(t, bob, "EXECUTE", "routine", mart, "f()")
	f.insert(t, bob, "CONNECT", "database", "", f.Database)
	f.asOwner(t, "grant usage on schema "+mart+" to "+dave+"; grant select on "+mart+".sales to "+dave+" with grant option")
	f.insert(t, dave, "SELECT", "table", mart, "sales")
	f.pending(t)
	roles := []string{alice, bob, carol, dave}
	before := f.Effective(t, f.super, roles)

	list := f.suggest(t, roles...)
	if len(list) != 1 || list[0].Exists || list[0].Group != mart+"_reader" {
		t.Fatalf("suggested is %+v", list)
	}
	if got := membersOf(list[0]); !slices.Equal(got, []string{alice, bob, carol}) {
		t.Errorf("the members are %q", got)
	}
	if again := f.suggest(t, roles...); fmt.Sprint(again) != fmt.Sprint(list) {
		t.Errorf("asked again, it is\n%+v, not\n%+v", again, list)
	}
	f.is(t, false, "exists (select from pg_roles where rolname = $1)", list[0].Group)

	group := list[0].Group
	f.follow(t, list)
	f.pending(t)
	if diff := pgtest.Differences(before, f.Effective(t, f.super, roles)); diff != "" {
		t.Errorf("access has changed:%s", diff)
	}
	f.quiet(t)
	for _, role := range []string{alice, bob, carol} {
		f.isMember(t, true, role, group)
		f.can(t, role, "select from "+mart+".c")
		f.can(t, role, "select "+mart+".f()")
		if f.granted(t, role, ""+mart+".c") {
			t.Errorf("%s still has SELECT by itself", role)
		}
	}
	f.can(t, carol, "update "+mart+".costs set id = 1 where false")
	f.cannot(t, alice, "update "+mart+".costs set id = 1 where false")
	f.isMember(t, false, dave, group)
	if !f.granted(t, dave, ""+mart+".sales") {
		t.Error("dave's grant is gone")
	}
	// Without names, roles of tests that run beside this one are suggested for, too, and may have problems.
	everywhere, err := f.engine.Suggest(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(everywhere, func(s reconcile.Suggestion) bool { return s.Group == group }) {
		t.Errorf("suggested again: %+v", everywhere)
	}

	// The group is one: what it loses, they lose; and who comes later with the same joins it.
	eve := f.user(t, "eve")
	f.asOwner(t, "grant "+fmt.Sprintf(all, eve))
	list = f.suggest(t, append(roles, eve, group)...)
	if len(list) != 1 || !list[0].Exists || list[0].Group != group || !slices.Equal(membersOf(list[0]), []string{eve}) {
		t.Fatalf("for one more it is %+v", list)
	}
	f.follow(t, list)
	f.pending(t)
	f.can(t, eve, "select from "+mart+".c")
	f.write(t, "delete from sync_roles.desired_grants where role_name = $1 and privilege = 'SELECT'", group)
	f.pending(t)
	for _, role := range []string{alice, bob, carol, eve} {
		f.cannot(t, role, "select from "+mart+".c")
	}
	f.can(t, dave, "select from "+mart+".sales")
	f.quiet(t)
}

// A member that does not inherit has what a group has only where the membership itself says so.
func TestSuggestForNoinherit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob, stiff := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "stiff")
	alike := f.Role("alike")
	f.Exec(t, "alter role "+stiff+" noinherit")
	f.asOwner(t, "create schema "+alike+"; grant usage on schema "+alike+" to "+alice+", "+bob+", "+stiff)
	f.asOwner(t, "create table "+alike+".t (); grant insert on "+alike+".t to "+alice+", "+bob+", "+stiff)
	roles := []string{alice, bob, stiff}
	before := f.Effective(t, f.super, roles)
	list := f.suggest(t, roles...)
	if len(list) != 1 || slices.Contains(membersOf(list[0]), stiff) != (f.Version >= 16) || len(list[0].Members) < 2 {
		t.Fatalf("suggested is %+v", list)
	}
	f.follow(t, list)
	f.pending(t)
	if diff := pgtest.Differences(before, f.Effective(t, f.super, roles)); diff != "" {
		t.Errorf("access has changed:%s", diff)
	}
	f.can(t, stiff, "insert into "+alike+".t default values")
	f.quiet(t)
}

// What the daemon could not give to a group is not suggested without its reason.
func TestSuggestWhatCannotBeGranted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob, private := f.user(t, "alice"), f.user(t, "bob"), f.Role("private")
	f.Exec(t, "create schema "+private+"; create table "+private+".t (); grant usage on schema "+private+" to "+alice+", "+bob+"; grant select, insert on "+private+".t to "+alice+", "+bob) // a superuser's
	list, err := f.engine.Suggest(t.Context(), []string{alice, bob})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || len(list[0].Problems) == 0 || list[0].Problems[0].Kind != plan.Blocked {
		t.Errorf("suggested is %+v, want a problem", list)
	}
	f.can(t, alice, "select from "+private+".t")
}

// A role that gives its members more than its rows say is no group for those who hold the same.
func TestSuggestNoGroupWithMore(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]string{
		"nothing":      "",
		"a policy":     "create policy p on app.sales to %s using (true)",
		"ownership":    "create table app.mine (); alter table app.mine owner to %s",
		"a catalog":    "grant select on pg_catalog.pg_authid to %s",
		"a membership": "grant pg_monitor to %s",
		"a default":    "alter default privileges in schema app grant select on tables to %s",
		"grant option": "grant select on app.sales to %s with grant option",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			alice, bob, team := f.user(t, "alice"), f.user(t, "bob"), f.Role("team")
			f.Exec(t, "create role "+team)
			f.manageable(t, team)
			f.Exec(t, "grant connect on database "+f.Database+" to "+team)
			f.asOwner(t, "create table app.x (); grant insert on app.sales, app.costs, app.x to "+alice+", "+bob+", "+team)
			if more != "" {
				f.Exec(t, fmt.Sprintf(more, team))
			}
			list := f.suggest(t, alice, bob, team)
			if len(list) != 1 || (list[0].Group == team) != (more == "") {
				t.Errorf("suggested is %+v", list)
			}
		})
	}
}

// In what years of work by hand left, everybody can do afterwards what they could.
func TestSuggestInAMess(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	roles := f.Mess(t, 60)
	u := func(n int) string { return f.Role(fmt.Sprintf("u%d", n)) }
	f.asOwner(t, strings.NewReplacer("{readers}", u(8)+", "+u(9)+", "+u(31)+", "+u(32), "{columns}", u(40)+", "+u(41)+", "+u(42)).Replace(`
		grant select on app.t6, app.t7, app.t8, app.t9, app.t10, app.part to {readers};
		grant update (a), select (a, b) on app.ser to {columns}; grant usage on sequence app.q to {columns}; grant usage on type app.e to {columns}`))
	for _, role := range []string{u(32), u(33), u(34)} {
		f.add(t, row{role: role, privilege: "SELECT", objectType: "table", schema: "app", name: "t1%", match: "like"})
		f.add(t, row{role: role, privilege: "INSERT", objectType: "table", schema: "app", name: "t11"})
		f.add(t, row{role: role, privilege: "UPDATE", objectType: "table", schema: "app", name: "no_such_table"})
	}
	f.Exec(t, "grant connect on database "+f.Database+" to "+u(33))
	f.pending(t)
	before := f.Effective(t, f.super, roles)
	list := f.suggest(t, roles...)
	for i := range list {
		list[i].Group = f.Role(list[i].Group)
	}
	if len(list) < 3 {
		t.Errorf("%d groups are suggested, want three at least: %+v", len(list), list)
	}
	f.follow(t, list)
	f.pending(t)
	if diff := pgtest.Differences(before, f.Effective(t, f.super, roles)); diff != "" {
		t.Errorf("access has changed:%s", diff)
	}
	f.quiet(t)
	for _, s := range f.suggest(t, roles...) {
		t.Errorf("something is left: %s for %q", s.Group, membersOf(s))
	}
	f.can(t, u(33), "select from app.t12")
	f.cannot(t, u(33), "select from app.t2")
}
