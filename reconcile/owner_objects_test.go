package reconcile_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

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
	f.outcome(t, x, plan.Applied)
	owners(x)
	// Sequences of columns follow their table.
	f.owns(t, x, "app.serial_id_seq")
	f.owns(t, x, "app.serial_other_seq")
	f.cannot(t, x, "create table app.t (id int)")
	nothing()
	f.quiet(t)
	f.write(t, "delete from sync_roles.desired_grants")
	f.pending(t)
	f.outcome(t, x, plan.Applied)
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
	f.outcome(t, x, plan.Blocked)
	f.problem(t, x, plan.Blocked, "database "+f.Database, "CREATEDB")
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
	f.outcome(t, x, plan.Blocked)
	f.outcome(t, neighbour, plan.Applied)
	f.can(t, x, "select from app.sales")
	f.can(t, neighbour, "select from app.sales")
	f.quiet(t)

	f.superuserDaemon(t)
	f.sync(t)
	f.is(t, false, "fdwowner = (select oid from pg_roles where rolname = $1) from pg_foreign_data_wrapper", x)
	f.can(t, x, "select from app.sales")
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
	f.outcome(t, x, plan.Applied)
	f.is(t, true, "count(*) = 1 from pg_class where relname = $2 and relowner = (select oid from pg_roles where rolname = $1)", x, table)
	f.is(t, true, "count(*) = 1 from pg_namespace where nspname = 'new; drop \"x' and nspowner = (select oid from pg_roles where rolname = $1)", x)
	f.quiet(t)
	f.write(t, "delete from sync_roles.desired_grants")
	f.pending(t)
	f.is(t, false, "exists (select from pg_shdepend where deptype = 'o' and refclassid = 'pg_authid'::regclass and refobjid = (select oid from pg_roles where rolname = $1))", x)
	f.quiet(t)
}
