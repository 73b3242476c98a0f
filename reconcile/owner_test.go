package reconcile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
)

// owns asserts who owns a relation or a schema.
func (f *fixture) owns(t *testing.T, role, object string) {
	t.Helper()
	sql := "select relowner::regrole::text from pg_class where oid = $1::regclass"
	if !strings.Contains(object, ".") {
		sql = "select nspowner::regrole::text from pg_namespace where nspname = $1"
	}
	if got := pgtest.One[string](t, f.super, sql, object); got != role {
		t.Errorf("%s belongs to %s, want %s", object, got, role)
	}
}

func TestOwnerOfSchema(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	neighbour := f.user(t, "neighbour")
	same, nothing := f.untouched(t, neighbour, "public"), f.nothingBorrowed(t)
	x, other := f.user(t, "x"), f.Role("other")

	// Without create_if_not_exists it waits.
	waiting := f.insert(t, x, "OWNER", "schema", "", "later")
	id := f.add(t, row{role: x, privilege: "OWNER", objectType: "schema", name: "mine", create: true})
	fresh := f.add(t, row{role: other, privilege: "OWNER", objectType: "schema", name: "theirs", create: true})
	f.pending(t)
	f.outcome(t, x, reconcile.Waiting)
	f.owns(t, x, "mine")
	f.owns(t, other, "theirs")
	f.is(t, false, "exists (select from pg_namespace where nspname = 'later')")
	f.can(t, x, "create table mine.t (id int)")
	f.cannot(t, neighbour, "create table mine.t (id int)")
	f.is(t, false, "has_schema_privilege($1, 'mine', 'CREATE')", f.Owner)
	nothing()
	f.quiet(t)

	f.asOwner(t, "create schema later")
	f.rescan(t)
	f.outcome(t, x, reconcile.Applied)
	f.owns(t, x, "later")
	nothing()
	f.quiet(t)

	// By hand it goes elsewhere, and comes back.
	f.Exec(t, "alter schema mine owner to "+f.Owner)
	f.rescan(t)
	f.owns(t, x, "mine")
	f.quiet(t)

	f.delete(t, id, waiting, fresh)
	f.pending(t)
	f.outcome(t, x, reconcile.Applied)
	f.owns(t, f.Daemon, "mine")
	f.owns(t, f.Daemon, "later")
	f.owns(t, f.Daemon, "theirs")
	f.cannot(t, x, "create table mine.t (id int)")
	f.cannot(t, x, "create table later.t (id int)")
	f.is(t, false, "has_schema_privilege($1, 'mine', 'USAGE') or has_schema_privilege($1, 'mine', 'CREATE')", x)
	f.quiet(t)
	nothing()
	same()
}

func TestOwnerOfTable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	neighbour := f.user(t, "neighbour")
	f.asOwner(t, "grant select on app.sales to "+neighbour)
	same, nothing := f.untouched(t, "public"), f.nothingBorrowed(t)
	x := f.user(t, "x")
	f.asOwner(t, "grant usage on schema app to "+neighbour)
	id := f.insert(t, x, "OWNER", "table", "app", "sales")
	f.pending(t)
	f.outcome(t, x, reconcile.Applied)
	f.owns(t, x, "app.sales")
	f.can(t, x, "alter table app.sales add column more int")
	f.cannot(t, x, "alter table app.costs add column more int")
	f.cannot(t, x, "create table app.t (id int)") // CREATE on the schema was for the moment
	f.can(t, neighbour, "select from app.sales")
	f.cannot(t, neighbour, "insert into app.sales values (1)")
	nothing()
	f.quiet(t)

	f.Exec(t, "alter table app.sales owner to "+f.Owner)
	f.rescan(t)
	f.owns(t, x, "app.sales")
	f.cannot(t, x, "create table app.t (id int)")
	f.quiet(t)

	f.delete(t, id)
	f.pending(t)
	f.owns(t, f.Daemon, "app.sales")
	f.cannot(t, x, "select from app.sales")
	f.cannot(t, x, "create table app.t (id int)")
	f.can(t, neighbour, "select from app.sales")
	f.is(t, false, "nspacl::text ~ $1 from pg_namespace where nspname = 'app'", f.Daemon) // nor did the daemon keep it
	f.quiet(t)
	nothing()
	same()
}

// Ownerships that are taken away go to the fallback owner.
func TestOwnerFallback(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, y := f.user(t, "x"), f.user(t, "y")
	policy := defaultPolicy
	policy.FallbackOwner = f.Owner
	f.engine = f.engineWith(t, policy)
	nothing := f.nothingBorrowed(t)
	f.insert(t, x, "OWNER", "table", "app", "sales")
	f.add(t, row{role: x, privilege: "OWNER", objectType: "schema", name: "mine", create: true})
	f.insert(t, y, "OWNER", "table", "app", "costs")
	f.pending(t)
	f.owns(t, x, "app.sales")
	f.owns(t, x, "mine")
	f.write(t, "delete from sync_roles.desired_grants where role_name = $1", x)
	f.pending(t)
	f.owns(t, f.Owner, "app.sales")
	f.owns(t, f.Owner, "mine")
	f.owns(t, y, "app.costs")
	f.quiet(t)
	nothing()

	// A fallback owner that does not exist: blocked, and nothing is lost.
	policy.FallbackOwner = f.Role("nobody")
	f.engine = f.engineWith(t, policy)
	f.write(t, "delete from sync_roles.desired_grants where role_name = $1", y)
	f.pending(t)
	f.outcome(t, y, reconcile.Blocked)
	f.owns(t, y, "app.costs")
	f.quiet(t)
	f.fixes(t, y)
	f.manageable(t, policy.FallbackOwner)
	f.sync(t, y)
	f.owns(t, policy.FallbackOwner, "app.costs")
	f.quiet(t)
	nothing()
}

// The row changes hands: the one loses, the other gets, in one pass or in two.
func TestOwnerMoves(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	nothing := f.nothingBorrowed(t)
	x, y := f.user(t, "x"), f.user(t, "y")
	id := f.insert(t, x, "OWNER", "table", "app", "sales")
	f.pending(t)
	f.owns(t, x, "app.sales")
	f.write(t, "update sync_roles.desired_grants set role_name = $2 where id = $1", id, y)
	f.pending(t)
	f.owns(t, y, "app.sales")
	f.cannot(t, x, "select from app.sales")
	f.can(t, y, "select from app.sales")
	f.quiet(t)

	f.write(t, "update sync_roles.desired_grants set role_name = $2 where id = $1", id, x)
	f.sync(t, y) // the one that loses alone first
	f.sync(t, x)
	f.owns(t, x, "app.sales")
	f.cannot(t, y, "select from app.sales")
	f.quiet(t)
	f.write(t, "update sync_roles.desired_grants set role_name = $2 where id = $1", id, y)
	f.sync(t, y) // the one that gets alone first
	f.sync(t, x)
	f.owns(t, y, "app.sales")
	f.quiet(t)
	nothing()
}

// Where patterns overlap, the exact row wins, then the oldest. The others are refused with the id of the winner.
func TestOwnerPatterns(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	nothing := f.nothingBorrowed(t)
	older, newer, exact := f.user(t, "older"), f.user(t, "newer"), f.user(t, "exact")
	first := f.add(t, row{role: older, privilege: "OWNER", objectType: "table", schema: "app", name: "%s", match: "like"})
	f.add(t, row{role: newer, privilege: "OWNER", objectType: "table", schema: "app", name: "(sales|costs|other)", match: "regex"})
	id := f.insert(t, exact, "OWNER", "table", "app", "sales")
	f.pending(t)
	f.owns(t, exact, "app.sales")
	f.owns(t, older, "app.costs")
	f.outcome(t, exact, reconcile.Applied)
	f.outcome(t, older, reconcile.Refused)
	f.outcome(t, newer, reconcile.Refused)
	f.problem(t, older, reconcile.Refused, "app.sales", fmt.Sprintf("desired grant %d", id))
	f.problem(t, newer, reconcile.Refused, "app.sales", fmt.Sprintf("desired grant %d", id))
	f.problem(t, newer, reconcile.Refused, "app.costs", fmt.Sprintf("desired grant %d", first))
	f.quiet(t)

	// What nobody else wants the loser gets.
	f.asOwner(t, "create table app.other (id int)")
	f.rescan(t)
	f.owns(t, newer, "app.other")
	f.quiet(t)

	// The winner's row goes: the next in line gets it. It may take two passes, but not somebody's help.
	f.delete(t, id)
	f.pending(t)
	f.rescan(t)
	f.owns(t, older, "app.sales")
	f.outcome(t, older, reconcile.Applied)
	f.quiet(t)
	f.delete(t, first)
	f.pending(t)
	f.rescan(t)
	f.owns(t, newer, "app.sales")
	f.owns(t, newer, "app.costs")
	f.quiet(t)
	f.write(t, "delete from sync_roles.desired_grants")
	f.pending(t)
	for _, object := range []string{"app.sales", "app.costs", "app.other"} {
		f.owns(t, f.Daemon, object)
	}
	f.quiet(t)
	nothing()
}

// A second OWNER row for the same name is refused at once, also from another session and by UPDATE.
func TestOwnerTwiceRefusedAtInsert(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.insert(t, f.Role("x"), "OWNER", "table", "app", "sales")
	refused := func(err error) {
		t.Helper()
		if err == nil {
			t.Error("a second OWNER row is taken")
			return
		}
		if code := sqlstate(t, err); code != "23505" || !strings.Contains(err.Error(), fmt.Sprint(id)) || !strings.Contains(err.Error(), f.Role("x")) {
			t.Errorf("refused with %s: %v", code, err)
		}
	}
	_, err := f.tryAdd(t, row{role: f.Role("y"), privilege: "OWNER", objectType: "table", schema: "app", name: "sales"})
	refused(err)
	other := f.insert(t, f.Role("y"), "OWNER", "table", "app", "costs")
	_, err = f.daemon.Exec(t.Context(), "update sync_roles.desired_grants set object_name = 'sales' where id = $1", other)
	refused(err)
	// A table of another schema and a sequence of the same name are other objects.
	f.insert(t, f.Role("y"), "OWNER", "table", "app2", "sales")
	f.insert(t, f.Role("y"), "OWNER", "sequence", "app", "sales")

	// Two in one statement.
	_, err = f.daemon.Exec(t.Context(), `insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name)
		values ($1, 'OWNER', 'schema', 's'), ($2, 'OWNER', 'schema', 's')`, f.Role("x"), f.Role("y"))
	if err == nil || sqlstate(t, err) != "23505" {
		t.Errorf("two in one statement: %v", err)
	}

	// Two sessions: the second waits for the first, and is refused.
	tx, err := f.daemon.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	insert := "insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name) values ($1, 'OWNER', 'schema', 'raced')"
	if _, err := tx.Exec(t.Context(), insert, f.Role("x")); err != nil {
		t.Fatal(err)
	}
	second := f.Connect(t, f.Daemon)
	done := make(chan error, 1)
	go func() {
		_, err := second.Exec(t.Context(), insert, f.Role("y"))
		done <- err
	}()
	for pgtest.One[int](t, f.super, "select count(*)::int from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") == 0 {
		select {
		case err := <-done:
			t.Fatalf("the second session does not wait: %v", err)
		default:
		}
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil || sqlstate(t, err) != "23505" {
		t.Errorf("two sessions: %v", err)
	}
}

// What an owner holds on its own objects is implied by owning them, and is never revoked: not from exclusive roles, not with the row
// that asked for it besides.
func TestOwnerKeepsItsOwnEntries(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, neighbour := f.user(t, "x"), f.user(t, "neighbour")
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{all}')", x)
	f.insert(t, x, "CONNECT", "database", "", f.Database)
	f.insert(t, x, "OWNER", "table", "app", "sales")
	f.add(t, row{role: x, privilege: "OWNER", objectType: "schema", name: "mine", create: true})
	sel := f.insert(t, x, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.Exec(t, fmt.Sprintf(`set role %s; grant select on app.sales to %s; grant update (id) on app.sales to %[2]s; grant update (id) on app.sales to %[1]s;
		grant usage on schema mine to %[2]s; create table mine.t (id int)`, quote(x), quote(neighbour)))
	before := f.texts(t, "select relacl::text from pg_class where oid = 'app.sales'::regclass")
	f.rescan(t)
	f.quiet(t)
	f.can(t, x, "select id from app.sales; update app.sales set amount = 2; truncate app.sales; create table mine.u (id int)")
	f.can(t, neighbour, "select from app.sales; update app.sales set id = 2")
	sameList(t, "the ACL", f.texts(t, "select relacl::text from pg_class where oid = 'app.sales'::regclass"), before)

	f.delete(t, sel)
	f.pending(t)
	f.can(t, x, "select from app.sales")
	sameList(t, "the ACL", f.texts(t, "select relacl::text from pg_class where oid = 'app.sales'::regclass"), before)
	f.quiet(t)
	// mine.t was made by hand, and no row says that x owns it.
	f.owns(t, f.Daemon, "mine.t")
}

// Every kind of object that has an owner.
func TestOwnerOfEveryType(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, neighbour := f.user(t, "x"), f.user(t, "neighbour")
	server, language := f.Role("srv"), f.Role("lang")
	f.Exec(t, fmt.Sprintf(`
		create foreign data wrapper %s;
		grant usage on foreign data wrapper %[1]s to %[2]s, %[5]s, %[6]s;
		create server %[3]s foreign data wrapper %[1]s;
		alter server %[3]s owner to %[2]s;
		create trusted language %[4]s handler plpgsql_call_handler;
		alter language %[4]s owner to %[2]s`, f.Role("fdw"), f.Owner, server, language, f.Daemon, x))
	f.asOwner(t, `
		create view app.v as select 1 as a;
		create materialized view app.m as select 1 as a;
		create table app.p (id int) partition by range (id);
		create table app.serial (id serial, other int generated always as identity);
		create foreign table app.f (id int) server `+server+`;
		create sequence app.seq;
		create function app.fn(a int, b text) returns int language sql as 'select 1';
		create procedure app.pr() language sql as 'select 1';
		create aggregate app.agg(int) (sfunc = int4pl, stype = int);
		create type app.color as enum ('red');
		create domain app.age as int;
		create type app.pair as (a int, b int)`)
	large := pgtest.One[uint32](t, f.super, "select lo_create(0)")
	f.Exec(t, fmt.Sprintf("alter large object %d owner to %s", large, f.Owner))
	same, nothing := f.untouched(t, neighbour), f.nothingBorrowed(t)
	objects := []struct{ objectType, schema, name, owner string }{
		{"table", "app", "v", "select relowner from pg_class where relname = 'v'"},
		{"table", "app", "m", "select relowner from pg_class where relname = 'm'"},
		{"table", "app", "p", "select relowner from pg_class where relname = 'p'"},
		{"table", "app", "serial", "select relowner from pg_class where relname = 'serial'"},
		{"table", "app", "f", "select relowner from pg_class where relname = 'f'"},
		{"sequence", "app", "seq", "select relowner from pg_class where relname = 'seq'"},
		{"routine", "app", "fn(integer, text)", "select proowner from pg_proc where proname = 'fn'"},
		{"routine", "app", "pr", "select proowner from pg_proc where proname = 'pr'"},
		{"routine", "app", "agg(integer)", "select proowner from pg_proc where proname = 'agg'"},
		{"type", "app", "color", "select typowner from pg_type where typname = 'color'"},
		{"type", "app", "age", "select typowner from pg_type where typname = 'age'"},
		{"type", "app", "pair", "select typowner from pg_type where typname = 'pair'"},
		{"foreign_server", "", server, "select srvowner from pg_foreign_server where srvname = '" + server + "'"},
		{"language", "", language, "select lanowner from pg_language where lanname = '" + language + "'"},
		{"large_object", "", fmt.Sprint(large), fmt.Sprintf("select lomowner from pg_largeobject_metadata where oid = %d", large)},
	}
	owners := func(want string) {
		t.Helper()
		for _, o := range objects {
			if got := pgtest.One[string](t, f.super, "select rolname::text from pg_roles where oid = ("+o.owner+")"); got != want {
				t.Errorf("%s %s belongs to %s, want %s", o.objectType, o.name, got, want)
			}
		}
	}
	for _, o := range objects {
		f.insert(t, x, "OWNER", o.objectType, o.schema, o.name)
	}
	f.pending(t)
	f.outcome(t, x, reconcile.Applied)
	owners(x)
	// Sequences of columns follow their table.
	f.owns(t, x, "app.serial_id_seq")
	f.owns(t, x, "app.serial_other_seq")
	f.cannot(t, x, "create table app.t (id int)")
	nothing()
	f.quiet(t)
	f.write(t, "delete from sync_roles.desired_grants")
	f.pending(t)
	f.outcome(t, x, reconcile.Applied)
	owners(f.Daemon)
	f.owns(t, f.Daemon, "app.serial_id_seq")
	f.quiet(t)
	nothing()
	same()
}

// A sequence that belongs to a column follows its table: a row for the sequence alone cannot be obeyed, and spoils nothing else.
func TestOwnerOfAnOwnedSequence(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.user(t, "x")
	f.asOwner(t, "create table app.serial (id serial); create sequence app.free")
	f.insert(t, x, "OWNER", "table", "app", "sales")
	f.insert(t, x, "SELECT", "table", "app", "costs")
	f.add(t, row{role: x, privilege: "OWNER", objectType: "sequence", schema: "app", name: "%", match: "like"})
	f.pending(t)
	f.owns(t, f.Owner, "app.serial_id_seq")
	f.owns(t, x, "app.sales")
	f.owns(t, x, "app.free")
	f.can(t, x, "select from app.costs")
	f.quiet(t)
}

// The schema belongs to somebody who gives the new owner no CREATE, and over whom the daemon has no right.
func TestOwnerWithoutCreateOnTheSchema(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stranger, x, neighbour := f.foreignOwner(t), f.user(t, "x"), f.user(t, "neighbour")
	f.Exec(t, fmt.Sprintf(`
		set role %s; create schema strange; grant usage, create on schema strange to %s; grant usage on schema strange to %s;
		set role %[2]s; create table strange.t (id int)`, stranger, f.Owner, x))
	f.insert(t, x, "OWNER", "table", "strange", "t")
	f.insert(t, x, "SELECT", "table", "app", "costs")
	f.insert(t, neighbour, "SELECT", "table", "app", "costs")
	f.pending(t)
	f.outcome(t, x, reconcile.Blocked)
	f.outcome(t, neighbour, reconcile.Applied)
	f.owns(t, f.Owner, "strange.t")
	f.can(t, x, "select from app.costs")
	f.can(t, neighbour, "select from app.costs")
	f.quiet(t)
	want := fmt.Sprintf("GRANT CREATE ON SCHEMA %s TO %s", quote("strange"), quote(x))
	if fixes := f.fixes(t, x); len(fixes) != 1 || fixes[0] != want {
		t.Errorf("the fixes are %q, want %q", fixes, want)
	}
	f.rescan(t)
	f.outcome(t, x, reconcile.Applied)
	f.owns(t, x, "strange.t")
	f.quiet(t)
}

// The object belongs to a role over which the daemon has no right; then the new owner is such a role.
func TestOwnerOfAStrangersTable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stranger, x := f.foreignOwner(t), f.user(t, "x")
	f.Exec(t, fmt.Sprintf("set role %s; create table app.strange (id int)", f.Owner)+"; reset role; alter table app.strange owner to "+stranger)
	f.insert(t, x, "OWNER", "table", "app", "strange")
	f.insert(t, x, "OWNER", "table", "app", "sales")
	f.pending(t)
	f.outcome(t, x, reconcile.Blocked)
	f.owns(t, stranger, "app.strange")
	f.owns(t, x, "app.sales")
	f.problem(t, x, reconcile.Blocked, "app.strange", stranger)
	f.quiet(t)
	f.fixes(t, x)
	f.rescan(t)
	f.inOrder(t, x) // before 16 the stranger is a superuser, and the fix is the change itself
	f.owns(t, x, "app.strange")
	f.quiet(t)

	if f.Version < 16 {
		return
	}
	y := f.Role("y")
	f.Exec(t, "create role "+y)
	f.insert(t, y, "OWNER", "table", "app", "costs")
	f.pending(t)
	f.outcome(t, y, reconcile.Blocked)
	f.quiet(t)
	want := fmt.Sprintf("GRANT %s TO %s WITH INHERIT TRUE, SET TRUE", quote(y), quote(f.Daemon))
	if fixes := f.fixes(t, y); len(fixes) != 1 || fixes[0] != want {
		t.Errorf("the fixes are %q, want %q", fixes, want)
	}
	f.rescan(t)
	f.owns(t, y, "app.costs")
	f.quiet(t)
}

// Schemas take CREATE on the database.
func TestOwnerOfSchemaWithoutCreateOnTheDatabase(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Exec(t, fmt.Sprintf("alter database %s owner to postgres; revoke create on database %[1]s from %s, %s", f.Database, f.Daemon, f.Owner))
	x, y := f.user(t, "x"), f.user(t, "y")
	f.add(t, row{role: x, privilege: "OWNER", objectType: "schema", name: "mine", create: true})
	f.insert(t, x, "SELECT", "table", "app", "sales")
	f.insert(t, y, "OWNER", "schema", "", "app")
	f.pending(t)
	f.outcome(t, x, reconcile.Blocked)
	f.outcome(t, y, reconcile.Blocked)
	f.can(t, x, "select from app.sales")
	f.quiet(t)
	want := fmt.Sprintf("GRANT CREATE ON DATABASE %s TO %s", quote(f.Database), quote(f.Daemon))
	if fixes := f.fixes(t, x); len(fixes) != 1 || fixes[0] != want {
		t.Errorf("the fixes are %q, want %q", fixes, want)
	}
	f.rescan(t)
	f.owns(t, x, "mine")
	f.owns(t, y, "app")
	f.quiet(t)
}

// A database's owner changes only with CREATEDB; the role's other rows are obeyed.
func TestOwnerOfDatabase(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.user(t, "x")
	nothing := f.nothingBorrowed(t)
	// The daemon's membership of the new owner would be gone with the transaction: CREATE on sync_roles it has by owning the schema.
	f.insert(t, x, "OWNER", "database", "", f.Database)
	f.insert(t, x, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.outcome(t, x, reconcile.Blocked)
	f.problem(t, x, reconcile.Blocked, "database "+f.Database, "CREATEDB")
	f.can(t, x, "select from app.sales")
	f.quiet(t)
	f.Exec(t, "alter role "+f.Daemon+" createdb")
	f.rescan(t)
	f.sync(t, x)
	if got := pgtest.One[string](t, f.super, "select datdba::regrole::text from pg_database where datname = current_database()"); got != x {
		t.Errorf("the database belongs to %s", got)
	}
	f.quiet(t)
	f.write(t, "delete from sync_roles.desired_grants where privilege = 'OWNER'")
	f.pending(t)
	if got := pgtest.One[string](t, f.super, "select datdba::regrole::text from pg_database where datname = current_database()"); got != f.Daemon {
		t.Errorf("the database belongs to %s, want the daemon", got)
	}
	f.quiet(t)
	nothing()
}

// A foreign data wrapper belongs to superusers only: a row that says otherwise spoils nothing else.
func TestOwnerOfForeignDataWrapper(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, neighbour := f.user(t, "x"), f.user(t, "neighbour")
	f.Exec(t, "create foreign data wrapper "+f.Role("fdw"))
	f.insert(t, x, "OWNER", "foreign_data_wrapper", "", f.Role("fdw"))
	f.insert(t, x, "SELECT", "table", "app", "sales")
	f.insert(t, neighbour, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.outcome(t, x, reconcile.Blocked)
	f.outcome(t, neighbour, reconcile.Applied)
	f.can(t, x, "select from app.sales")
	f.can(t, neighbour, "select from app.sales")
	f.quiet(t)

	f.superuserDaemon(t)
	f.sync(t)
	f.is(t, false, "fdwowner = (select oid from pg_roles where rolname = $1) from pg_foreign_data_wrapper", x)
	f.can(t, x, "select from app.sales")
	f.quiet(t)
}

// OWNER gives nothing to roles that are never managed, and takes nothing from them.
func TestOwnerOfProtected(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	boss := f.role(t, "boss", "superuser login")
	f.insert(t, boss, "OWNER", "table", "app", "sales")
	f.insert(t, f.Daemon, "OWNER", "table", "app", "costs")
	f.pending(t)
	f.owns(t, f.Owner, "app.sales")
	f.owns(t, f.Owner, "app.costs")
	f.outcome(t, boss, reconcile.Refused)
	f.outcome(t, f.Daemon, reconcile.Refused)
	f.quiet(t)
	f.Exec(t, "alter table app.sales owner to "+boss)
	f.write(t, "delete from sync_roles.desired_grants")
	f.pending(t)
	f.owns(t, boss, "app.sales")
	f.quiet(t)
}

// Objects whose names need quoting, and a role's too.
func TestOwnerOfOddNames(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	schema, table, x := "Odd \"schema'", "Odd 'table\"\n😀", f.user(t, "Odd \"role'\n😀")
	f.asOwner(t, "create schema "+quote(schema)+"; create table "+pgx.Identifier{schema, table}.Sanitize()+" (id int)")
	f.insert(t, x, "OWNER", "table", schema, table)
	f.add(t, row{role: x, privilege: "OWNER", objectType: "schema", name: "new; drop \"x", create: true})
	f.pending(t)
	f.outcome(t, x, reconcile.Applied)
	f.is(t, true, "count(*) = 1 from pg_class where relname = $2 and relowner = (select oid from pg_roles where rolname = $1)", x, table)
	f.is(t, true, "count(*) = 1 from pg_namespace where nspname = 'new; drop \"x' and nspowner = (select oid from pg_roles where rolname = $1)", x)
	f.quiet(t)
	f.write(t, "delete from sync_roles.desired_grants")
	f.pending(t)
	f.is(t, false, "exists (select from pg_shdepend where deptype = 'o' and refclassid = 'pg_authid'::regclass and refobjid = (select oid from pg_roles where rolname = $1))", x)
	f.quiet(t)
}

// Who owned an object has what its own rows ask for, when another role becomes the owner.
func TestOwnerBefore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	f.add(t, row{role: alice, privilege: "OWNER", objectType: "table", schema: "app", name: "s%", match: "like"})
	f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.can(t, alice, "drop table app.sales")
	f.insert(t, bob, "OWNER", "table", "app", "sales")
	f.pending(t)
	f.can(t, bob, "drop table app.sales")
	f.cannot(t, alice, "drop table app.sales")
	f.can(t, alice, "select from app.sales")
	f.outcome(t, alice, reconcile.Refused)
	f.quiet(t)
}
