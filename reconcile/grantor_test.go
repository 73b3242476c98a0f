package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
)

// grantor makes a role that holds SELECT on app.sales with grant option and hands it on to x.
func (f *fixture) grantor(t *testing.T, x string) string {
	t.Helper()
	g := f.Role("g")
	f.Exec(t, fmt.Sprintf("create role %s; set role %s; grant select on app.sales to %[1]s with grant option; reset role; set role %[1]s; grant select on app.sales to %[3]s", g, f.Owner, x))
	return g
}

// The owner and a role with the grant option have granted the same: DELETE takes both.
func TestGrantorTwoOnOneTable(t *testing.T) {
	t.Parallel()
	for _, right := range []string{"set role", "inherits", "admin"} {
		t.Run(right, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			x, neighbour := f.user(t, "x"), f.user(t, "neighbour")
			g := f.grantor(t, x)
			f.Exec(t, "set role "+g+"; grant select on app.sales to "+neighbour)
			switch {
			case f.Version < 16 && right == "admin": // CREATEROLE is enough
			case f.Version < 16:
				f.Exec(t, "grant "+g+" to "+f.Daemon)
			case right == "set role":
				f.Exec(t, "grant "+g+" to "+f.Daemon+" with inherit false, set true, admin false")
			case right == "inherits":
				f.Exec(t, "grant "+g+" to "+f.Daemon+" with inherit true, set true, admin false")
			case right == "admin":
				f.Exec(t, "grant "+g+" to "+f.Daemon+" with inherit false, set false, admin true")
			}
			same, nothing := f.untouched(t, neighbour, g), f.nothingBorrowed(t)
			id := f.add(t, row{role: x, privilege: "SELECT", objectType: "table", schema: "app", name: "sales"})
			f.asOwner(t, "grant select on app.sales to "+x)
			f.pending(t)
			f.outcome(t, x, reconcile.Unchanged) // satisfied as it is
			f.quiet(t)
			f.delete(t, id)
			f.pending(t)
			f.outcome(t, x, reconcile.Applied)
			f.cannot(t, x, "select from app.sales")
			f.can(t, neighbour, "select from app.sales")
			nothing()
			same()
			f.quiet(t)
		})
	}
}

// One of the grantors is beyond the daemon: the rest is done, the grantor is named, and its statement helps.
func TestGrantorBeyondReach(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, neighbour := f.user(t, "x"), f.user(t, "neighbour")
	g := f.grantor(t, x)
	if f.Version < 16 {
		f.Exec(t, "alter role "+g+" superuser")
	}
	nothing := f.nothingBorrowed(t)
	sales := f.insert(t, x, "SELECT", "table", "app", "sales")
	costs := f.insert(t, x, "SELECT", "table", "app", "costs")
	other := f.insert(t, neighbour, "SELECT", "table", "app", "sales")
	f.asOwner(t, "grant select on app.sales to "+x)
	f.pending(t)
	f.quiet(t)

	f.delete(t, sales, costs, other)
	f.pending(t)
	f.outcome(t, x, reconcile.Blocked)
	f.problem(t, x, reconcile.Blocked, "app.sales", g)
	f.cannot(t, x, "select from app.costs")
	f.outcome(t, neighbour, reconcile.Applied)
	f.cannot(t, neighbour, "select from app.sales")
	sameList(t, "what x holds on tables", f.tables(t, x), []string{"tables SELECT app.sales from " + g})
	nothing()
	f.quiet(t)

	if f.Version < 16 {
		return // g is a superuser here, and what it granted is taken away by the owner: TestGrantorSuperuserOwns
	}
	f.fixes(t, x)
	f.cannot(t, x, "select from app.sales")
	f.rescan(t)
	f.quiet(t)
	if left := pgtest.One[int](t, f.super, "select count(*)::int from sync_roles.withdrawn"); left != 0 {
		t.Errorf("%d withdrawn rows are left", left)
	}
	// What x is given by hand from now on is nobody's business.
	f.asOwner(t, "grant select on app.sales to "+x)
	f.quiet(t)
	f.can(t, x, "select from app.sales")
}

// tables lists the ACL entries of a role on tables.
func (f *fixture) tables(t *testing.T, role string) []string {
	t.Helper()
	return slices.DeleteFunc(f.holdings(t, role), func(s string) bool { return !strings.HasPrefix(s, "tables ") })
}

// A blocked role is looked at by each rescan, without the lock and without another audit row.
func TestGrantorBlockedStaysSilent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.user(t, "x")
	stranger := f.foreignOwner(t)
	f.Exec(t, "create table app.strange (id int); alter table app.strange owner to "+stranger)
	g := f.grantor(t, x)
	if f.Version < 16 {
		f.Exec(t, "alter role "+g+" superuser")
	}
	f.insert(t, x, "SELECT", "table", "app", "strange")
	id := f.insert(t, x, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.delete(t, id)
	f.pending(t)
	f.outcome(t, x, reconcile.Blocked)
	if n := len(f.last(t, x).Problems); n != 2 {
		t.Errorf("%d problems, want 2: %v", n, f.last(t, x))
	}
	f.rescan(t)
	before := f.newestAudit(t)

	// Others wait for the lock as long as this test holds it: not for long.
	engine, err := reconcile.Open(t.Context(), f.config(t), reconcile.Config{Policy: defaultPolicy, LockTimeout: 50 * time.Millisecond, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = engine.Close(t.Context()) }()
	tx, err := f.super.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "comment on role _pgsr_lock is null"); err != nil {
		t.Fatal(err)
	}
	_, err = engine.Rescan(t.Context(), reconcile.Rescan)
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Errorf("a rescan of a blocked role takes the lock: %v", err)
	}
	if after := f.newestAudit(t); after != before {
		t.Errorf("a rescan of a blocked role writes to the audit: %v", f.last(t, x))
	}
}

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
	f.outcome(t, x, reconcile.Applied)
	f.can(t, x, "select from two.t; update two.t set a = 1; insert into two.u values (1); select two.f(); create table two.mine (id int)")
	f.cannot(t, x, "delete from two.t")
	nothing()
	f.quiet(t)
	f.is(t, false, "exists (select from pg_auth_members where roleid = (select oid from pg_roles where rolname = $1) and member = (select oid from pg_roles where rolname = $2))", owner, x)
	f.write(t, "delete from sync_roles.desired_grants")
	f.pending(t)
	f.outcome(t, x, reconcile.Applied)
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
	f.outcome(t, x, reconcile.Blocked)
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
	f.outcome(t, x, reconcile.Applied)
	f.can(t, x, "select from strange.t, strange.u")
	f.quiet(t)

	// The GRANT is taken back: what the rows gave cannot be taken away, and that is said.
	f.Exec(t, fmt.Sprintf("revoke %s from %s", quote(stranger), quote(f.Daemon)))
	f.write(t, "delete from sync_roles.desired_grants where schema_name = 'strange' and name_match = 'exact'")
	f.write(t, "delete from sync_roles.desired_grants where object_name = 'strange'")
	f.pending(t)
	f.outcome(t, x, reconcile.Blocked)
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
			f.outcome(t, x, reconcile.Blocked)
			f.outcome(t, neighbour, reconcile.Applied)
			f.is(t, false, o.has, x)
			f.can(t, x, "select from app.sales")
			f.quiet(t)
			for _, fix := range f.fixes(t, x) {
				if !strings.HasSuffix(fix, " TO "+quote(f.Daemon)+" WITH GRANT OPTION") {
					t.Errorf("the fix is %s", fix)
				}
			}
			f.rescan(t)
			f.outcome(t, x, reconcile.Applied)
			f.is(t, true, o.has, x)
			f.is(t, false, o.has, neighbour)
			f.quiet(t)
			f.delete(t, id)
			f.pending(t)
			f.outcome(t, x, reconcile.Applied)
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
	f.outcome(t, x, reconcile.Blocked)
	f.outcome(t, neighbour, reconcile.Applied)
	f.can(t, neighbour, "select from app.sales")
	f.can(t, x, "select from app.sales")
	f.quiet(t)
	want := []string{fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s", quote("strange"), quote(f.Daemon))}
	if fixes := f.fixes(t, x); !slices.Equal(fixes, want) {
		t.Errorf("the fixes are %q, want %q", fixes, want)
		f.Exec(t, want[0])
	}
	f.sync(t, x)
	f.outcome(t, x, reconcile.Applied)
	f.is(t, true, "has_table_privilege($1, 'strange.t', 'SELECT')", x)
	f.quiet(t)
}

// tablespace makes an empty tablespace; owner may be empty.
func (f *fixture) tablespace(t *testing.T, name, owner string) string {
	t.Helper()
	space := f.Role(name)
	if owner != "" {
		owner = " owner " + quote(owner)
	}
	if _, err := f.super.Exec(t.Context(), "set allow_in_place_tablespaces = on"); err != nil {
		t.Fatalf("this server has no in-place tablespaces: %v", err)
	}
	if _, err := f.super.Exec(t.Context(), "create tablespace "+space+owner+" location ''"); err != nil {
		t.Fatal(err)
	}
	f.afterwards(t, "drop tablespace if exists "+space)
	return space
}

// Since 16 each grantor has its own row for a membership.
func TestGrantorMemberships(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, neighbour := f.user(t, "x"), f.user(t, "neighbour")
	g, near, far := f.role(t, "g", ""), f.Role("near"), f.Role("far")
	f.Exec(t, fmt.Sprintf("set role %s; grant select on app.sales to %s", f.Owner, g))
	f.Exec(t, fmt.Sprintf("create role %s; create role %s; grant %s to %[1]s with admin option; grant %[3]s to %[2]s with admin option", near, far, g))
	if f.Version >= 16 {
		f.Exec(t, "grant "+near+" to "+f.Daemon+" with inherit true, set false, admin false")
	}
	same, nothing := f.untouched(t, neighbour, near, far, g), f.nothingBorrowed(t)
	id := f.insert(t, x, "MEMBER", "role", "", g)
	f.pending(t)
	f.can(t, x, "select from app.sales")
	f.Exec(t, fmt.Sprintf("set role %s; grant %s to %s", near, g, x))
	f.Exec(t, fmt.Sprintf("set role %s; grant %s to %s", far, g, x))
	f.Exec(t, fmt.Sprintf("grant %s to %s", g, x))
	f.quiet(t)

	f.delete(t, id)
	f.pending(t)
	if f.Version >= 16 {
		f.outcome(t, x, reconcile.Blocked)
		f.problem(t, x, reconcile.Blocked, g, far, fmt.Sprintf("REVOKE %s FROM %s GRANTED BY %s", quote(g), quote(x), quote(far)))
		f.problem(t, x, reconcile.Blocked, g, "postgres")
		left := f.texts(t, "select grantor::regrole::text from pg_auth_members where member = (select oid from pg_roles where rolname = $1) order by 1", x)
		sameList(t, "the grantors that are left", left, []string{"postgres", far})
		f.quiet(t)
		f.fixes(t, x)
		f.rescan(t)
	}
	f.cannot(t, x, "select from app.sales")
	f.quiet(t)
	same()
	nothing()
	// Somebody grants it by hand: nobody's business from now on.
	f.Exec(t, fmt.Sprintf("grant %s to %s", g, x))
	f.quiet(t)
	f.can(t, x, "select from app.sales")
}

// The ADMIN option on a role is missing: the GRANT is named, and with it the next rescan does it.
func TestGrantorMembershipWithoutAdmin(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if f.Version < 16 {
		t.Skip("before 16 CREATEROLE is enough")
	}
	x, g := f.user(t, "x"), f.Role("g")
	f.Exec(t, fmt.Sprintf("create role %s; set role %s; grant select on app.sales to %[1]s", g, f.Owner))
	id := f.insert(t, x, "MEMBER", "role", "", g)
	f.insert(t, x, "SELECT", "table", "app", "costs")
	f.pending(t)
	f.outcome(t, x, reconcile.Blocked)
	f.can(t, x, "select from app.costs")
	f.cannot(t, x, "select from app.sales")
	f.quiet(t)
	want := []string{fmt.Sprintf("GRANT %s TO %s WITH ADMIN TRUE, INHERIT FALSE, SET FALSE", quote(g), quote(f.Daemon))}
	if fixes := f.fixes(t, x); !slices.Equal(fixes, want) {
		t.Errorf("the fixes are %q, want %q", fixes, want)
	}
	f.rescan(t)
	f.can(t, x, "select from app.sales")
	f.quiet(t)
	f.delete(t, id)
	f.pending(t)
	f.cannot(t, x, "select from app.sales")
	f.quiet(t)
}

// Privileges that x itself has handed on: taking the grant option away without CASCADE is an error of PostgreSQL's (2BP01). It must
// not keep x's other rows from being obeyed, and it must be said who depends on it.
func TestGrantorWithDependents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, dependent, neighbour := f.user(t, "x"), f.user(t, "dependent"), f.user(t, "neighbour")
	id := f.add(t, row{role: x, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", grantable: true})
	costs := f.insert(t, x, "SELECT", "table", "app", "costs")
	f.pending(t)
	f.Exec(t, "set role "+x+"; grant select on app.sales to "+dependent)
	f.quiet(t)
	f.delete(t, id, costs)
	f.insert(t, x, "INSERT", "table", "app", "costs")
	f.insert(t, neighbour, "INSERT", "table", "app", "costs")
	f.pending(t)
	f.can(t, neighbour, "insert into app.costs values (1)")
	f.can(t, dependent, "select from app.sales")
	f.outcome(t, x, reconcile.Blocked)
	f.problem(t, x, reconcile.Blocked, "app.sales")
	f.can(t, x, "insert into app.costs values (1)")
	f.cannot(t, x, "select from app.costs")
	f.quiet(t)

	f.Exec(t, "set role "+x+"; revoke select on app.sales from "+dependent)
	f.sync(t, x)
	f.cannot(t, x, "select from app.sales")
	f.quiet(t)
}

// The same with the ADMIN option of a membership, which depends on its grantor since 16.
func TestGrantorMembershipWithDependents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, dependent, g := f.user(t, "x"), f.user(t, "dependent"), f.role(t, "g", "")
	id := f.add(t, row{role: x, privilege: "MEMBER", objectType: "role", name: g, grantable: true})
	f.pending(t)
	f.Exec(t, "set role "+x+"; grant "+g+" to "+dependent)
	f.quiet(t)
	f.delete(t, id)
	f.insert(t, x, "INSERT", "table", "app", "costs")
	f.pending(t)
	f.can(t, x, "insert into app.costs values (1)")
	if f.Version < 16 {
		f.outcome(t, x, reconcile.Applied)
		return
	}
	f.outcome(t, x, reconcile.Blocked)
	f.problem(t, x, reconcile.Blocked, g)
	f.quiet(t)
	f.Exec(t, "set role "+x+"; revoke "+g+" from "+dependent)
	f.sync(t, x)
	if f.member(t, x, g) {
		t.Errorf("%s is still a member of %s", x, g)
	}
	f.quiet(t)
}

// A role that is blocked does not hinder its neighbours in the same batch, whatever blocks it.
func TestGrantorBlockedHindersNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stranger := f.foreignOwner(t)
	f.Exec(t, "create table app.strange (id int); alter table app.strange owner to "+stranger)
	f.Exec(t, "create foreign data wrapper "+f.Role("fdw"))
	boss := f.role(t, "boss", "superuser")
	users := make([]string, 12)
	for i := range users {
		users[i] = f.user(t, fmt.Sprintf("u%02d", i))
		f.insert(t, users[i], "SELECT", "table", "app", "sales")
		f.add(t, row{role: users[i], privilege: "SELECT", objectType: "table", schema: "app", name: "c%", match: "like"})
	}
	f.insert(t, users[2], "SELECT", "table", "app", "strange")
	f.insert(t, users[4], "OWNER", "foreign_data_wrapper", "", f.Role("fdw"))
	f.insert(t, users[5], "MEMBER", "role", "", boss)
	f.insert(t, users[7], "OWNER", "database", "", f.Database)
	f.pending(t)
	for i, u := range users {
		f.can(t, u, "select from app.sales, app.costs")
		switch i {
		case 5:
			f.outcome(t, u, reconcile.Refused)
		case 2, 4, 7:
			f.outcome(t, u, reconcile.Blocked)
		default:
			f.outcome(t, u, reconcile.Applied)
		}
	}
	f.quiet(t)
	f.write(t, "delete from sync_roles.desired_grants where object_name in ('sales', 'c%')")
	f.pending(t)
	for _, u := range users {
		f.cannot(t, u, "select from app.sales")
		f.cannot(t, u, "select from app.costs")
	}
	f.quiet(t)
}
