package reconcile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
)

// owned makes a schema and a table in it, of these owners, which only they may use.
func (f *fixture) owned(t *testing.T, schemaOwner, tableOwner string) {
	t.Helper()
	f.Exec(t, fmt.Sprintf("create schema inner_; alter schema inner_ owner to %s; create table inner_.t (id int); alter table inner_.t owner to %s",
		quote(schemaOwner), quote(tableOwner)))
}

// administered makes a role over which the daemon has ADMIN, and of which it is no member.
func (f *fixture) administered(t *testing.T, name string) string {
	t.Helper()
	role := f.role(t, name, "")
	f.manageable(t, role)
	return role
}

// A schema's owner lends the daemon USAGE as a table's owner lends it the rest, for granting and for revoking, and nothing is left of it.
func TestBorrowFromTheOwnerOfTheSchema(t *testing.T) {
	t.Parallel()
	for name, tableOwner := range map[string]func(t *testing.T, f *fixture) string{
		"of which it is a member": func(_ *testing.T, f *fixture) string { return f.Owner },
		"over which it has ADMIN": func(t *testing.T, f *fixture) string {
			t.Helper()
			return f.administered(t, "tables")
		},
		"which owns the schema too": func(_ *testing.T, f *fixture) string { return f.Role("schemas") },
		"which is the daemon":       func(_ *testing.T, f *fixture) string { return f.Daemon },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			schemaOwner := f.administered(t, "schemas")
			f.owned(t, schemaOwner, tableOwner(t, f))
			f.Exec(t, fmt.Sprintf("grant usage on schema inner_ to %s, %s; grant update on inner_.t to %[2]s", alice, bob))
			memberships := func() string {
				return strings.Join(f.texts(t, "select m::text from sync_roles.memberships as m where member_oid = to_regrole($1) order by 1", f.Daemon), "; ")
			}
			before := memberships()
			id := f.insert(t, alice, "SELECT", "table", "inner_", "t")
			pattern := f.add(t, row{role: alice, privilege: "INSERT", objectType: "table", schema: "inner_", name: "%", match: "like", direct: ptr(true)})
			f.pending(t)
			f.outcome(t, alice, reconcile.Applied)
			f.can(t, alice, "select from inner_.t")
			f.can(t, alice, "insert into inner_.t values (1)")
			f.quiet(t)
			f.loses(t, alice, "select from inner_.t", id)
			f.loses(t, alice, "insert into inner_.t values (1)", pattern)
			f.can(t, bob, "update inner_.t set id = 1")
			owning := f.insert(t, alice, "OWNER", "table", "inner_", "t")
			f.pending(t)
			f.owns(t, alice, "inner_.t")
			f.delete(t, owning)
			f.pending(t)
			f.owns(t, f.Daemon, "inner_.t")
			f.quiet(t)
			if after := memberships(); after != before {
				t.Errorf("the daemon's memberships are %s, were %s", after, before)
			}
		})
	}
}

// What is printed as a fix helps: whoever has the right to runs it, and the next rescan or sync does what was blocked.
func TestFixesHelp(t *testing.T) {
	t.Parallel()
	type situation struct {
		since int
		setUp func(t *testing.T, f *fixture, alice string)
		row   row
		try   string // what alice can do then, and not before
	}
	stranger := func(t *testing.T, f *fixture) string {
		t.Helper()
		if f.Version < 16 {
			t.Skip("before 16 CREATEROLE may join whoever is no superuser")
		}
		return f.foreignOwner(t)
	}
	table := row{privilege: "SELECT", objectType: "table", schema: "inner_", name: "t"}
	for name, s := range map[string]situation{
		"another's table": {setUp: func(t *testing.T, f *fixture, _ string) {
			t.Helper()
			f.owned(t, f.Owner, stranger(t, f))
			f.Exec(t, "grant usage on schema inner_ to public")
		}, row: table, try: "select from inner_.t"},
		"another's table in another's schema": {setUp: func(t *testing.T, f *fixture, alice string) {
			t.Helper()
			f.owned(t, f.role(t, "other", "superuser"), stranger(t, f))
			f.Exec(t, "grant usage on schema inner_ to "+alice)
		}, row: table, try: "select from inner_.t"},
		"a superuser's table": {setUp: func(t *testing.T, f *fixture, _ string) {
			t.Helper()
			f.owned(t, f.Owner, "postgres")
			f.Exec(t, "grant usage on schema inner_ to public")
		}, row: table, try: "select from inner_.t"},
		"a superuser's table in a superuser's schema": {setUp: func(t *testing.T, f *fixture, alice string) {
			t.Helper()
			f.owned(t, "postgres", "postgres")
			f.Exec(t, "grant usage on schema inner_ to "+alice)
		}, row: table, try: "select from inner_.t"},
		"its own table in a superuser's schema": {setUp: func(t *testing.T, f *fixture, alice string) {
			t.Helper()
			f.owned(t, "postgres", f.Daemon)
			f.Exec(t, "grant usage on schema inner_ to "+alice)
		}, row: table, try: "select from inner_.t"},
		"a table to own in a superuser's schema": {setUp: func(t *testing.T, f *fixture, alice string) {
			t.Helper()
			f.owned(t, "postgres", f.Daemon)
			f.Exec(t, "grant usage, create on schema inner_ to "+alice)
		}, row: row{privilege: "OWNER", objectType: "table", schema: "inner_", name: "t"}, try: "drop table inner_.t"},
		"public in another's database": {setUp: func(t *testing.T, f *fixture, _ string) {
			t.Helper()
			f.Exec(t, fmt.Sprintf("alter database %s owner to %s", f.Database, stranger(t, f)))
		}, row: row{privilege: "CREATE", objectType: "schema", name: "public"}, try: "create table public.mine ()"},
		"public in a superuser's database": {setUp: func(t *testing.T, f *fixture, _ string) {
			t.Helper()
			f.Exec(t, fmt.Sprintf("alter database %s owner to postgres; revoke create on schema public from public", f.Database))
		}, row: row{privilege: "CREATE", objectType: "schema", name: "public"}, try: "create table public.mine ()"},
		"a setting": {setUp: func(t *testing.T, f *fixture, alice string) {
			t.Helper()
			f.write(t, `insert into sync_roles.desired_roles (role_name, settings) values ($1, '{"log_statement": "all"}')`, alice)
		}, try: fmt.Sprintf(raiseUnless, "current_setting('log_statement') = 'all'")},
		"a setting that is nobody's": {since: 15, setUp: func(t *testing.T, f *fixture, alice string) {
			t.Helper()
			f.write(t, `insert into sync_roles.desired_roles (role_name, settings) values ($1, '{"app.user": "x"}')`, alice)
			f.afterwards(t, "revoke set on parameter \"app\".\"user\" from "+f.Daemon)
		}, try: fmt.Sprintf(raiseUnless, "coalesce(current_setting('app.user', true), '') = 'x'")},
		"a membership": {setUp: func(t *testing.T, f *fixture, _ string) {
			t.Helper()
			f.Exec(t, "grant select on app.costs to "+stranger(t, f))
		}, row: row{privilege: "MEMBER", objectType: "role", name: "stranger"}, try: "select from app.costs"},
		"a large object": {setUp: func(t *testing.T, f *fixture, _ string) {
			t.Helper()
			f.Exec(t, "select lo_create(4242)")
		}, row: row{privilege: "SELECT", objectType: "large_object", name: "4242"}, try: "select lo_get(4242)"},
		"a type": {setUp: func(t *testing.T, f *fixture, alice string) {
			t.Helper()
			f.Exec(t, "create type app.mood as enum ('sad'); revoke usage on type app.mood from public; grant create on schema app to "+alice)
		}, row: row{privilege: "USAGE", objectType: "type", schema: "app", name: "mood"}, try: "create table app.moody (m app.mood)"},
		"a routine": {setUp: func(t *testing.T, f *fixture, _ string) {
			t.Helper()
			f.Exec(t, "create function app.one() returns int language sql as 'select 1'; revoke execute on function app.one() from public")
		}, row: row{privilege: "EXECUTE", objectType: "routine", schema: "app", name: "one"}, try: "select app.one()"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			if f.Version < s.since {
				t.Skip("not on this server")
			}
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			s.setUp(t, f, alice)
			f.insert(t, bob, "SELECT", "table", "app", "sales")
			if s.row.privilege != "" {
				if s.row.objectType == "role" {
					s.row.name = f.Role(s.row.name)
				}
				f.add(t, s.row.of(alice))
			}
			f.pending(t)
			f.outcome(t, alice, reconcile.Blocked)
			f.cannot(t, alice, s.try)
			problems := f.last(t, alice).Problems
			if len(problems) != 1 || problems[0].Fix == "" {
				t.Fatalf("want one problem with a fix: %v", f.last(t, alice))
			}
			f.Exec(t, problems[0].Fix)
			f.rescan(t)
			f.inOrder(t, alice)
			f.can(t, alice, s.try)
			f.can(t, bob, "select from app.sales")
			f.quiet(t)
		})
	}
}
