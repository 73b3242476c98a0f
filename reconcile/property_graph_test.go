package reconcile_test

import (
	"strings"
	"testing"
)

// A property graph is an object like others, since PostgreSQL 19: a row gives SELECT on it, a pattern finds those that come later, and one role can own it.
func TestPropertyGraphs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob, carol, keeper := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "carol"), f.Role("keeper")
	if f.Version < 19 {
		_, err := f.tryAdd(t, row{role: alice, privilege: "SELECT", objectType: "property_graph", schema: "app", name: "social"})
		if err == nil || !strings.Contains(err.Error(), "too old") {
			t.Errorf("a server that has no property graphs takes the row: %v", err)
		}
		return
	}
	if _, err := f.tryAdd(t, row{role: alice, privilege: "INSERT", objectType: "property_graph", schema: "app", name: "social"}); err == nil || !strings.Contains(err.Error(), "allowed are SELECT, ALL, OWNER") {
		t.Errorf("INSERT on a property graph: %v", err)
	}
	if _, err := f.tryAdd(t, row{role: alice, privilege: "SELECT", objectType: "property_graph", name: "social"}); err == nil || !strings.Contains(err.Error(), "schema_name") {
		t.Errorf("a property graph without a schema: %v", err)
	}
	const ask = "select * from graph_table (app.%s match (p is person) columns (p.id))"
	social, later := strings.Replace(ask, "%s", "social", 1), strings.Replace(ask, "%s", "later", 1)
	f.asOwner(t, `create table app.person (id int primary key); grant select on app.person to `+alice+", "+bob+", "+carol)
	exact := f.insert(t, alice, "SELECT", "property_graph", "app", "social")
	pattern := f.add(t, row{role: bob, privilege: "ALL", objectType: "property_graph", schema: "app", name: "%", match: "like"})
	f.pending(t) // it waits for the graph
	f.asOwner(t, "create property graph app.social vertex tables (app.person)")
	f.rescan(t)
	f.can(t, alice, social)
	f.can(t, bob, social)
	f.cannot(t, carol, social)
	f.quiet(t)
	f.asOwner(t, "create property graph app.later vertex tables (app.person)")
	f.rescan(t)
	f.can(t, bob, later)
	f.cannot(t, alice, later)

	// What others grant goes from an exclusive role; a table's kind is not the graph's.
	f.asOwner(t, "grant select on property graph app.later to "+carol+", "+alice)
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{tables}'), ($2, '{property_graphs}')", carol, alice)
	f.pending(t)
	f.asOwner(t, "grant select on app.person to "+carol)
	f.can(t, carol, later)
	f.cannot(t, alice, later)
	f.can(t, alice, social)
	f.asOwner(t, "revoke select on app.person from "+carol)
	f.is(t, true, "exists (select from sync_roles.effective_grants where role_name = $1 and object_type = 'property_graph' and object_name = 'later')", bob)
	f.is(t, true, "exists (select from sync_roles.actual_grants where role_name = $1 and object_type = 'property_graph' and object_name = 'social')", alice)

	owner := f.insert(t, keeper, "OWNER", "property_graph", "app", "social")
	f.insert(t, keeper, "CREATE", "schema", "", "app")
	f.pending(t)
	f.is(t, true, "(select relowner::regrole::text from pg_class where relname = 'social') = $1", keeper)
	f.can(t, alice, social)
	f.delete(t, owner)
	f.pending(t)
	f.is(t, false, "(select relowner::regrole::text from pg_class where relname = 'social') = $1", keeper)

	f.loses(t, alice, social, exact)
	f.can(t, bob, social)
	f.loses(t, bob, social, pattern)
	f.cannot(t, bob, later)
}

// Since PostgreSQL 19 a role can have no line break in its name, and so no row can name one that has.
func TestNamesWithLineBreaks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, name := range []string{f.Prefix + "a\nb", f.Prefix + "a\rb"} {
		for _, r := range []row{
			{role: name, privilege: "SELECT", objectType: "table", schema: "app", name: "sales"},
			{role: f.Role("alice"), privilege: "MEMBER", objectType: "role", name: name},
			{role: f.Role("alice"), privilege: "CONNECT", objectType: "database", name: name},
			{role: f.Role("alice"), privilege: "CREATE", objectType: "tablespace", name: name},
		} {
			_, err := f.tryAdd(t, r)
			if refused := err != nil && strings.Contains(err.Error(), "line break"); refused != (f.Version >= 19) {
				t.Errorf("%+v: %v", r, err)
			}
		}
		f.insert(t, f.Role("alice"), "SELECT", "table", "app", name) // a table can
		_, err := f.daemon.Exec(t.Context(), "insert into sync_roles.desired_roles (role_name) values ($1)", name)
		if refused := err != nil && strings.Contains(err.Error(), "line break"); refused != (f.Version >= 19) {
			t.Errorf("a row of desired_roles: %v", err)
		}
	}
}
