package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// The daemon has ADMIN on the owner and nothing else: it borrows within the transaction, and nothing is left of that.
func TestGrantorOwnerWithAdminOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, neighbour := f.user(t, "x"), f.user(t, "neighbour")
	owner := f.role(t, "owner2", "")
	f.Exec(t, fmt.Sprintf(`grant create on database %s to %s; set role %[2]s; create schema two; grant usage on schema two to public; create table two.t (id int, a int);
		create table two.u (id int); create function two.f() returns int language sql as 'select 1'; revoke execute on function two.f() from public`, f.Database, owner))
	f.Exec(t, "grant select on two.t to "+neighbour)
	same, nothing := f.untouched(t, neighbour, "public"), f.nothingBorrowed(t)
	f.insert(t, x, "SELECT", "table", "two", "t")
	f.add(t, row{role: x, privilege: "UPDATE", objectType: "table", schema: "two", name: "t", column: "a"})
	f.add(t, row{role: x, privilege: "INSERT", objectType: "table", schema: "two", name: "%", match: "like"})
	f.insert(t, x, "EXECUTE", "routine", "two", "f")
	f.insert(t, x, "CREATE", "schema", "", "two")
	f.pending(t)
	f.outcome(t, x, plan.Applied)
	f.can(t, x, "select from two.t; update two.t set a = 1; insert into two.u values (1); select two.f(); create table two.mine (id int)")
	f.cannot(t, x, "delete from two.t")
	nothing()
	f.quiet(t)
	f.is(t, false, "exists (select from pg_auth_members where roleid = (select oid from pg_roles where rolname = $1) and member = (select oid from pg_roles where rolname = $2))", owner, x)
	f.write(t, "delete from sync_roles.desired_grants")
	f.pending(t)
	f.outcome(t, x, plan.Applied)
	for _, sql := range []string{"select from two.t", "update two.t set a = 1", "insert into two.u values (1)", "select two.f()", "create table two.mine (id int)"} {
		f.cannot(t, x, sql)
	}
	nothing()
	same()
	f.quiet(t)
}

// The owner is a role over which the daemon has no right: blocked with the GRANT that is missing, and that GRANT is enough.
func TestGrantorOwnerBeyondReach(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if f.Version < 16 {
		t.Skip("before 16 CREATEROLE reaches every role but superusers, whose objects TestGrantorSuperuserOwns has")
	}
	x, neighbour, stranger := f.user(t, "x"), f.user(t, "neighbour"), f.foreignOwner(t)
	f.Exec(t, fmt.Sprintf("set role %s; create schema strange; create table strange.t (id int); create table strange.u (id int)", stranger))
	same := f.untouched(t, neighbour, "public")
	f.insert(t, x, "SELECT", "table", "strange", "t")
	f.add(t, row{role: x, privilege: "SELECT", objectType: "table", schema: "strange", name: "%", match: "like"})
	f.insert(t, x, "USAGE", "schema", "", "strange")
	f.insert(t, x, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.outcome(t, x, plan.Blocked)
	f.can(t, x, "select from app.sales")
	f.cannot(t, x, "select from strange.t")
	f.quiet(t)
	if roles := f.texts(t, "select role_name from sync_roles.intermediate_roles"); len(roles) > 0 {
		t.Errorf("intermediate roles that can hold nothing were made: %v", roles)
	}

	want := []string{fmt.Sprintf("GRANT %s TO %s WITH INHERIT TRUE, SET FALSE", quote(stranger), quote(f.Daemon))}
	if fixes := f.fixes(t, x); !slices.Equal(fixes, want) {
		t.Errorf("the fixes are %q, want %q", fixes, want)
	}
	nothing := f.nothingBorrowed(t)
	f.rescan(t)
	f.outcome(t, x, plan.Applied)
	f.can(t, x, "select from strange.t, strange.u")
	f.quiet(t)

	// The GRANT is taken back: what the rows gave cannot be revoked, and that is said.
	f.Exec(t, fmt.Sprintf("revoke %s from %s", quote(stranger), quote(f.Daemon)))
	f.write(t, "delete from sync_roles.desired_grants where schema_name = 'strange' and name_match = 'exact'")
	f.write(t, "delete from sync_roles.desired_grants where object_name = 'strange'")
	f.pending(t)
	f.outcome(t, x, plan.Blocked)
	f.quiet(t)
	f.fixes(t, x)
	f.rescan(t)
	f.is(t, false, "has_schema_privilege($1, 'strange', 'USAGE')", x)
	f.quiet(t)
	nothing()
	same()
}

// What a superuser owns: the fix is a grant option on the one object, for each type that there is.
func TestGrantorSuperuserOwns(t *testing.T) { //nolint:tparallel // its subtests share a database, and the queue in it
	t.Parallel()
	type object struct {
		name, privilege, objectType, schema, object, column, has string
		since                                                    int
	}
	f := newFixture(t)
	other := f.Role("other") // a database of somebody else
	f.Exec(t, "create database "+other+" template template0")
	f.afterwards(t, "drop database "+other+" with (force)")
	f.Exec(t, "revoke connect, temporary on database "+other+" from public")
	space := f.tablespace(t, "space", "")
	f.Exec(t, fmt.Sprintf(`
		create schema root; create table root.t (id int, a int); create sequence root.seq; create view root.v as select 1 as a;
		create function root.f(int) returns int language sql as 'select 1'; revoke execute on function root.f(int) from public;
		create function root.g(int) returns int language sql as 'select 1'; revoke execute on function root.g(int) from public;
		create type root.color as enum ('red'); revoke usage on type root.color from public;
		create foreign data wrapper %s; create server %s foreign data wrapper %[1]s;
		create trusted language %[3]s handler plpgsql_call_handler; revoke usage on language %[3]s from public`, f.Role("fdw"), f.Role("srv"), f.Role("lang")))
	f.Exec(t, "grant usage on schema root to "+f.Daemon)
	large := pgtest.One[uint32](t, f.super, "select lo_create(0)")
	for _, o := range []object{
		{name: "table", privilege: "SELECT", objectType: "table", schema: "root", object: "t", has: "has_table_privilege($1, 'root.t', 'SELECT')"},
		{name: "all", privilege: "ALL", objectType: "table", schema: "root", object: "v", has: "has_table_privilege($1, 'root.v', 'TRIGGER')"},
		{name: "column", privilege: "UPDATE", objectType: "table", schema: "root", object: "t", column: "a", has: "has_column_privilege($1, 'root.t', 'a', 'UPDATE')"},
		{name: "sequence", privilege: "USAGE", objectType: "sequence", schema: "root", object: "seq", has: "has_sequence_privilege($1, 'root.seq', 'USAGE')"},
		{name: "schema", privilege: "USAGE", objectType: "schema", object: "root", has: "has_schema_privilege($1, 'root', 'USAGE')"},
		{name: "routine", privilege: "EXECUTE", objectType: "routine", schema: "root", object: "f(integer)", has: "has_function_privilege($1, 'root.f(int)', 'EXECUTE')"},
		{name: "overloads", privilege: "EXECUTE", objectType: "routine", schema: "root", object: "g", has: "has_function_privilege($1, 'root.g(int)', 'EXECUTE')"},
		{name: "type", privilege: "USAGE", objectType: "type", schema: "root", object: "color", has: "has_type_privilege($1, 'root.color', 'USAGE')"},
		{name: "database", privilege: "CONNECT", objectType: "database", object: other, has: "has_database_privilege($1, '" + other + "', 'CONNECT')"},
		{name: "language", privilege: "USAGE", objectType: "language", object: f.Role("lang"), has: "has_language_privilege($1, '" + f.Role("lang") + "', 'USAGE')"},
		{name: "fdw", privilege: "USAGE", objectType: "foreign_data_wrapper", object: f.Role("fdw"), has: "has_foreign_data_wrapper_privilege($1, '" + f.Role("fdw") + "', 'USAGE')"},
		{name: "server", privilege: "USAGE", objectType: "foreign_server", object: f.Role("srv"), has: "has_server_privilege($1, '" + f.Role("srv") + "', 'USAGE')"},
		{name: "tablespace", privilege: "CREATE", objectType: "tablespace", object: space, has: "has_tablespace_privilege($1, '" + space + "', 'CREATE')"},
		{name: "parameter", since: 15, privilege: "SET", objectType: "parameter", object: f.Prefix + "a.b", has: "has_parameter_privilege($1, '" + f.Prefix + "a.b', 'SET')"},
		{
			name: "large object", privilege: "SELECT", objectType: "large_object", object: fmt.Sprint(large),
			has: fmt.Sprintf("exists (select from pg_largeobject_metadata as l, aclexplode(l.lomacl) as a where l.oid = %d and a.grantee = (select oid from pg_roles where rolname = $1))", large),
		},
	} {
		t.Run(o.name, func(t *testing.T) {
			if f.Version < o.since {
				t.Skip("PostgreSQL", f.Version)
			}
			x, neighbour := f.user(t, "x_"+strings.ReplaceAll(o.name, " ", "_")), f.user(t, "n_"+strings.ReplaceAll(o.name, " ", "_"))
			if o.name == "parameter" {
				f.Exec(t, fmt.Sprintf("grant set on parameter %s to %s", o.object, f.Owner)) // so that it is known
			}
			same := f.untouched(t, "public")
			id := f.add(t, row{role: x, privilege: o.privilege, objectType: o.objectType, schema: o.schema, name: o.object, column: o.column})
			fine := f.insert(t, x, "SELECT", "table", "app", "sales")
			near := f.insert(t, neighbour, "SELECT", "table", "app", "sales")
			f.pending(t)
			f.outcome(t, x, plan.Blocked)
			f.outcome(t, neighbour, plan.Applied)
			f.is(t, false, o.has, x)
			f.can(t, x, "select from app.sales")
			f.quiet(t)
			for _, fix := range f.fixes(t, x) {
				if !strings.HasSuffix(fix, " TO "+quote(f.Daemon)+" WITH GRANT OPTION") {
					t.Errorf("the fix is %s", fix)
				}
			}
			f.rescan(t)
			f.outcome(t, x, plan.Applied)
			f.is(t, true, o.has, x)
			f.is(t, false, o.has, neighbour)
			f.quiet(t)
			f.delete(t, id)
			f.pending(t)
			f.outcome(t, x, plan.Applied)
			f.is(t, false, o.has, x)
			f.can(t, x, "select from app.sales")
			f.quiet(t)
			f.delete(t, fine, near)
			f.pending(t)
			same()
		})
	}
}

// A grant option is of no use without USAGE on the schema, which PostgreSQL asks of whoever names a table in it: that is said, and
// spoils nothing else.
func TestGrantorWithoutUsageOnTheSchema(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stranger, x, neighbour := f.foreignOwner(t), f.user(t, "x"), f.user(t, "neighbour")
	f.Exec(t, fmt.Sprintf("set role %[1]s; create schema strange; grant usage, create on schema strange to %[2]s; set role %[2]s; create table strange.t (id int); set role %[1]s; revoke all on schema strange from %[2]s", stranger, f.Owner))
	f.insert(t, x, "SELECT", "table", "strange", "t")
	f.insert(t, x, "SELECT", "table", "app", "sales")
	f.insert(t, neighbour, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.outcome(t, x, plan.Blocked)
	f.outcome(t, neighbour, plan.Applied)
	f.can(t, neighbour, "select from app.sales")
	f.can(t, x, "select from app.sales")
	f.quiet(t)
	want := []string{fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s", quote("strange"), quote(f.Daemon))}
	if fixes := f.fixes(t, x); !slices.Equal(fixes, want) {
		t.Errorf("the fixes are %q, want %q", fixes, want)
		f.Exec(t, want[0])
	}
	f.sync(t, x)
	f.outcome(t, x, plan.Applied)
	f.is(t, true, "has_table_privilege($1, 'strange.t', 'SELECT')", x)
	f.quiet(t)
}
