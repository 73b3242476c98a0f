package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// takeover is a database in which the Python library has synchronized users.
type takeover struct {
	*fixture
	base string // of the names of local roles
	n    int
}

func newTakeover(t *testing.T) *takeover {
	t.Helper()
	f := newFixture(t)
	f.asOwner(t, "revoke usage on schema app from public")
	return &takeover{fixture: f, base: fmt.Sprintf("_pgsr_local_%d_", pgtest.One[uint32](t, f.super, "select oid from pg_database where datname = current_database()"))}
}

// made makes a role as the library does, which the daemon role ran: its name, one privilege, and members.
func (f *takeover) made(t *testing.T, kind, privilege string, members ...string) string {
	t.Helper()
	f.n++
	base := f.base
	if strings.HasPrefix(kind, "database_") {
		base = "_pgsr_global_"
	}
	// The library takes 8 digits of a UUID: here they must not be another test's.
	oid := pgtest.One[uint32](t, f.super, "select oid from pg_database where datname = current_database()")
	name := fmt.Sprintf("%s%s_%06x%02x", base, kind, oid, f.n)
	f.afterwards(t, "drop owned by "+name+"; drop role if exists "+name)
	f.asDaemon(t, "create role "+name)
	f.asDaemon(t, "grant "+privilege+" to "+name)
	for _, m := range members {
		f.asDaemon(t, "grant "+name+" to "+quote(m))
	}
	return name
}

// user makes a role as the library does: with LOGIN, and nothing else.
func (f *takeover) user(t *testing.T, name string) string {
	t.Helper()
	f.asDaemon(t, "create role "+quote(f.Role(name))+" login")
	return f.Role(name)
}

// The library's roles satisfy rows for the same as they are; DELETE takes the membership away, and only that.
func TestPythonTakeover(t *testing.T) {
	t.Parallel()
	f := newTakeover(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	connect := f.made(t, "database_connect", "connect on database "+f.Database, alice, bob)
	usage := f.made(t, "schema_usage", "usage on schema app", alice, bob)
	create := f.made(t, "schema_create", "create on schema app", alice)
	sales := f.made(t, "table_select", "select on table app.sales", alice, bob)
	costs := f.made(t, "table_select", "select on table app.costs", alice)
	f.can(t, alice, "select from app.sales, app.costs; create table app.t (id int)")
	same := f.untouched(t, alice, bob, "public", connect, usage, create, sales, costs)
	nothing := f.nothingBorrowed(t)

	ids := map[string]int64{
		connect: f.insert(t, alice, "CONNECT", "database", "", f.Database),
		usage:   f.insert(t, alice, "USAGE", "schema", "", "app"),
		create:  f.insert(t, alice, "CREATE", "schema", "", "app"),
		sales:   f.insert(t, alice, "SELECT", "table", "app", "sales"),
		costs:   f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "c.+", match: "regex"}),
	}
	// The library's own words: nothing but what it was told.
	f.write(t, "insert into sync_roles.desired_roles (role_name, login, revoke_other) values ($1, true, '{role_memberships,table_selects,schema_usage}')", alice)
	if dry := f.dryRun(t); len(dry.Statements) > 0 {
		t.Errorf("taking over changes something: %q", dry.Statements)
	}
	f.pending(t)
	f.outcome(t, alice, plan.Unchanged)
	same()
	f.quiet(t)
	for role, id := range ids {
		got := f.texts(t, "select status || ' ' || encoding || ' ' || via from sync_roles.grant_status where id = $1", id)
		sameList(t, "grant_status", got, []string{"applied intermediate " + role})
	}
	actual := f.texts(t, "select privilege || ' ' || object_name || ' ' || coalesce(via, '-') from sync_roles.actual_grants where role_name = $1", alice)
	sameList(t, "actual_grants", actual, []string{
		"CONNECT " + f.Database + " " + connect, "USAGE app " + usage, "CREATE app " + create, "SELECT sales " + sales, "SELECT costs " + costs,
	})

	bobs := f.untouched(t, bob, "public")
	f.delete(t, ids[sales])
	f.pending(t)
	f.outcome(t, alice, plan.Applied)
	f.cannot(t, alice, "select from app.sales")
	f.can(t, alice, "select from app.costs")
	f.quiet(t)
	f.delete(t, ids[costs])
	f.pending(t)
	f.cannot(t, alice, "select from app.costs")
	f.loses(t, alice, "create table app.t (id int)", ids[create])
	f.delete(t, ids[usage], ids[connect])
	f.pending(t)
	if code := f.login(t, alice); code != "42501" {
		t.Errorf("CONNECT is left: %q", code)
	}
	f.is(t, false, "has_schema_privilege($1, 'app', 'USAGE')", alice)
	sameList(t, "what alice is a member of", f.texts(t, "select roleid::regrole::text from pg_auth_members where member = (select oid from pg_roles where rolname = $1)", alice), nil)
	f.quiet(t)
	bobs()
	nothing()
}

// Without revoke_other: a user of the library's is additive, and DELETE revokes what the row said.
func TestPythonTakeoverAdditive(t *testing.T) {
	t.Parallel()
	f := newTakeover(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	f.made(t, "database_connect", "connect on database "+f.Database, alice, bob)
	f.made(t, "schema_usage", "usage on schema app", alice, bob)
	f.made(t, "table_select", "select on table app.sales", alice, bob)
	f.made(t, "table_select", "select on table app.costs", alice, bob)
	same := f.untouched(t, bob, "public")
	id := f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.insert(t, alice, "CONNECT", "database", "", f.Database)
	f.pending(t)
	f.outcome(t, alice, plan.Unchanged)
	f.delete(t, id)
	f.pending(t)
	f.cannot(t, alice, "select from app.sales")
	f.can(t, alice, "select from app.costs")
	f.quiet(t)

	// Then exclusive: what no row asked for goes, whichever kind says so.
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{table_selects}')", alice)
	f.pending(t)
	f.is(t, false, "has_table_privilege($1, 'app.costs', 'SELECT')", alice)
	f.is(t, true, "has_schema_privilege($1, 'app', 'USAGE')", alice)
	f.quiet(t)
	f.write(t, "update sync_roles.desired_roles set revoke_other = '{schema_usage}'")
	f.pending(t)
	f.is(t, false, "has_schema_privilege($1, 'app', 'USAGE')", alice)
	if code := f.login(t, alice); code != "" {
		t.Errorf("CONNECT, which a row asks for, is gone: %s", code)
	}
	f.quiet(t)
	same()
}

// A changed encoding is carried out: direct true replaces the library's role.
func TestPythonDirectTrue(t *testing.T) {
	t.Parallel()
	f := newTakeover(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	f.made(t, "database_connect", "connect on database "+f.Database, alice, bob)
	f.made(t, "schema_usage", "usage on schema app", alice, bob)
	sales := f.made(t, "table_select", "select on table app.sales", alice, bob)
	same := f.untouched(t, bob, "public", sales)
	id := f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.write(t, "update sync_roles.desired_grants set direct = true where id = $1", id)
	f.pending(t)
	f.can(t, alice, "select from app.sales")
	if f.member(t, alice, sales) {
		t.Error("the library's role is still in use")
	}
	f.is(t, true, "relacl::text ~ $1 from pg_class where oid = 'app.sales'::regclass", alice+"=r/")
	f.quiet(t)
	f.loses(t, alice, "select from app.sales", id)
	same()
}

// What is not exactly one privilege on one object does not satisfy a row.
func TestPythonRolesThatDoNotCount(t *testing.T) {
	t.Parallel()
	cases := map[string]func(t *testing.T, f *takeover, role string){
		"two privileges": func(t *testing.T, f *takeover, role string) {
			t.Helper()
			f.asOwner(t, "grant insert on app.sales to "+role)
		},
		"two objects": func(t *testing.T, f *takeover, role string) {
			t.Helper()
			f.asOwner(t, "grant select on app.costs to "+role)
		},
		"a column": func(t *testing.T, f *takeover, role string) {
			t.Helper()
			f.asOwner(t, "grant update (id) on app.costs to "+role)
		},
		"same table's column": func(t *testing.T, f *takeover, role string) {
			t.Helper()
			f.asOwner(t, "grant update (id) on app.sales to "+role)
		},
		"grant option": func(t *testing.T, f *takeover, role string) {
			t.Helper()
			f.asOwner(t, "grant select on app.sales to "+role+" with grant option")
		},
		"login": func(t *testing.T, f *takeover, role string) {
			t.Helper()
			f.Exec(t, "alter role "+role+" login")
		},
		"superuser": func(t *testing.T, f *takeover, role string) {
			t.Helper()
			f.Exec(t, "alter role "+role+" superuser")
		},
		"createrole": func(t *testing.T, f *takeover, role string) {
			t.Helper()
			f.Exec(t, "alter role "+role+" createrole")
		},
		"bypassrls": func(t *testing.T, f *takeover, role string) {
			t.Helper()
			f.Exec(t, "alter role "+role+" bypassrls")
		},
		"member of another": func(t *testing.T, f *takeover, role string) {
			t.Helper()
			f.Exec(t, "grant pg_monitor to "+role)
		},
		"owner of something": func(t *testing.T, f *takeover, role string) {
			t.Helper()
			f.Exec(t, "create table app.mine (id int); alter table app.mine owner to "+role)
		},
		"default privileges": func(t *testing.T, f *takeover, role string) {
			t.Helper()
			f.Exec(t, "alter default privileges for role "+f.Owner+" grant delete on tables to "+role)
		},
		"another database": func(t *testing.T, f *takeover, role string) {
			t.Helper()
			f.Exec(t, "grant connect on database postgres to "+role)
		},
		"a system table": func(t *testing.T, f *takeover, role string) {
			t.Helper()
			f.Exec(t, "grant select on pg_catalog.pg_authid to "+role)
		},
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newTakeover(t)
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			f.made(t, "database_connect", "connect on database "+f.Database, alice, bob)
			f.made(t, "schema_usage", "usage on schema app", alice, bob)
			sales := f.made(t, "table_select", "select on table app.sales", alice, bob)
			spoil(t, f, sales)
			f.afterwards(t, "drop owned by "+sales+" cascade")
			same := f.untouched(t, bob, "public", sales)
			id := f.insert(t, alice, "SELECT", "table", "app", "sales")
			f.pending(t)
			f.outcome(t, alice, plan.Applied)
			f.is(t, true, "relacl::text ~ $1 from pg_class where oid = 'app.sales'::regclass", alice+"=r/")
			f.quiet(t)
			// The membership was not the row's: DELETE takes the grant and leaves it.
			f.delete(t, id)
			f.pending(t)
			f.is(t, false, "relacl::text ~ $1 from pg_class where oid = 'app.sales'::regclass", alice+"=r/")
			if !f.member(t, alice, sales) {
				t.Error("a membership that no row spoke of is gone")
			}
			f.quiet(t)
			same()
			if name == "superuser" {
				return // only a superuser can take that membership away: TestRevokeMembershipInASuperuser
			}
			// For an exclusive role it is one membership like any other.
			f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{role_memberships}')", alice)
			f.pending(t)
			if f.member(t, alice, sales) {
				t.Errorf("an exclusive role is still a member of %s: %v", sales, f.last(t, alice))
			}
			f.quiet(t)
		})
	}
}

// The same of global roles: one that holds more than CONNECT on this database is a role like any other, whatever its name.
func TestPythonGlobalRoleThatDoesNotCount(t *testing.T) {
	t.Parallel()
	f := newTakeover(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	connect := f.made(t, "database_connect", "connect on database "+f.Database, alice, bob)
	f.asOwner(t, "grant select on app.sales to "+connect+"; grant usage on schema app to public")
	same := f.untouched(t, bob)
	id := f.insert(t, alice, "CONNECT", "database", "", f.Database)
	f.pending(t)
	f.outcome(t, alice, plan.Applied)
	f.can(t, alice, "select from app.sales")
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{all}')", alice)
	f.pending(t)
	f.cannot(t, alice, "select from app.sales")
	f.quiet(t)
	f.delete(t, id)
	f.pending(t)
	if code := f.login(t, alice); code != "42501" {
		t.Errorf("alice can still log in: %q", code)
	}
	same()
}

// Roles of another database's are not this database's business: neither do they satisfy rows, nor are they revoked.
func TestPythonRolesOfAnotherDatabase(t *testing.T) {
	t.Parallel()
	f := newTakeover(t)
	alice := f.user(t, "alice")
	other := f.Role("other")
	f.Exec(t, "create database "+other+" template template0 owner "+f.Daemon)
	f.afterwards(t, "drop database if exists "+other+" with (force)")
	oid := pgtest.One[uint32](t, f.super, "select oid from pg_database where datname = $1", other)
	f.made(t, "database_connect", "connect on database "+f.Database, alice)
	theirs := f.made(t, "database_connect", "connect on database "+other, alice)
	local := fmt.Sprintf("_pgsr_local_%d_schema_usage_%06x00", oid, oid)
	f.asDaemon(t, "create role "+local)
	f.afterwards(t, "drop role "+local)
	f.asDaemon(t, "grant "+local+" to "+alice)
	f.insert(t, alice, "CONNECT", "database", "", f.Database)
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{all}')", alice)
	f.pending(t)
	if !f.member(t, alice, theirs) || !f.member(t, alice, local) {
		t.Errorf("memberships for another database are gone: %v", f.last(t, alice))
	}
	f.quiet(t)
}

// When a superuser ran the library, its memberships are the superuser's since 16: taking them away takes a superuser, and that is said.
func TestPythonRunBySuperuser(t *testing.T) {
	t.Parallel()
	f := newTakeover(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	f.made(t, "database_connect", "connect on database "+f.Database, alice, bob)
	f.made(t, "schema_usage", "usage on schema app", alice, bob)
	sales := f.made(t, "table_select", "select on table app.sales")
	f.Exec(t, "grant "+sales+" to "+alice+", "+bob)
	same := f.untouched(t, bob, "public", sales)
	id := f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.insert(t, alice, "CONNECT", "database", "", f.Database)
	f.pending(t)
	f.outcome(t, alice, plan.Unchanged)
	f.quiet(t)
	f.delete(t, id)
	f.pending(t)
	if f.Version >= 16 {
		f.outcome(t, alice, plan.Blocked)
		f.quiet(t)
		want := []string{fmt.Sprintf("REVOKE %s FROM %s GRANTED BY %s", quote(sales), quote(alice), quote("postgres"))}
		if fixes := f.fixes(t, alice); !slices.Equal(fixes, want) {
			t.Errorf("the fixes are %q, want %q", fixes, want)
		}
		f.rescan(t)
	}
	f.cannot(t, alice, "select from app.sales")
	f.quiet(t)
	same()
}

// A NOINHERIT user has nothing of the library's roles on 14 and 15, so they satisfy nothing.
func TestPythonNoinherit(t *testing.T) {
	t.Parallel()
	f := newTakeover(t)
	alice := f.user(t, "alice")
	f.made(t, "database_connect", "connect on database "+f.Database, alice)
	f.made(t, "schema_usage", "usage on schema app", alice)
	f.asDaemon(t, "alter role "+alice+" noinherit")
	f.made(t, "table_select", "select on table app.sales", alice)
	f.asDaemon(t, "grant usage on schema app to "+alice)
	f.asDaemon(t, "grant connect on database "+f.Database+" to "+alice)
	f.cannot(t, alice, "select from app.sales")
	id := f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.outcome(t, alice, plan.Applied)
	f.can(t, alice, "select from app.sales")
	f.quiet(t)
	f.loses(t, alice, "select from app.sales", id)
}

// After a rename of the table the library's role is for another name: the row does not count it any more, and takes it away.
func TestPythonRenamedTable(t *testing.T) {
	t.Parallel()
	f := newTakeover(t)
	alice := f.user(t, "alice")
	f.made(t, "database_connect", "connect on database "+f.Database, alice)
	f.made(t, "schema_usage", "usage on schema app", alice)
	f.made(t, "table_select", "select on table app.sales", alice)
	f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.quiet(t)
	f.asOwner(t, "alter table app.sales rename to sales_old; create table app.sales (id int)")
	f.rescan(t)
	f.can(t, alice, "select from app.sales")
	f.cannot(t, alice, "select from app.sales_old")
	f.quiet(t)
}
