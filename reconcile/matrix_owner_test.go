package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// ownerCell is an object, and what only its owner may do with it.
type ownerCell struct{ objectType, schema, name, try, role string }

// Every type that has an owner: the row gives what only an owner may do, to this role alone, and its deletion gives it to the daemon.
func TestMatrixOwner(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	neighbour, space, second := f.user(t, "neighbour"), f.tablespace(t, "space", f.Owner), f.Role("second")
	f.Exec(t, fmt.Sprintf("create database %s owner %s", second, f.Owner))
	f.afterwards(t, "drop database "+second)
	f.Exec(t, fmt.Sprintf(`
		create foreign data wrapper wrapper;
		grant usage on foreign data wrapper wrapper to public;
		create server srv foreign data wrapper wrapper;
		alter server srv owner to %[1]s;
		create trusted language lang handler plpgsql_call_handler;
		alter language lang owner to %[1]s;
		set role %[1]s;
		create view app.v as select 1 as a;
		create materialized view app.m as select 1 as a;
		create table app.p (id int) partition by range (id);
		create foreign table app.f (id int) server srv;
		create sequence app.seq;
		create function app.fn(a int, b text) returns int language sql as 'select 1';
		create function app.fn(a int) returns int language sql as 'select 1';
		create function app.many() returns int language sql as 'select 1';
		create function app.many(a int) returns int language sql as 'select 1';
		create procedure app.pr() language sql as 'select 1';
		create aggregate app.agg(int) (sfunc = int4pl, stype = int);
		create type app.color as enum ('red');
		create domain app.age as int;
		create type app.pair as (a int, b int);
		create type app.span as range (subtype = int);
		create domain app.tags as text[];
		create schema vault;
		select lo_create(4711)`, f.Owner))
	cells := []ownerCell{
		{objectType: "table", schema: "app", name: "sales", try: "alter table app.sales add column more int"},
		{objectType: "table", schema: "app", name: "v", try: "alter view app.v rename column a to b"},
		{objectType: "table", schema: "app", name: "m", try: "alter materialized view app.m rename column a to b"},
		{objectType: "table", schema: "app", name: "p", try: "alter table app.p add column more int"},
		{objectType: "table", schema: "app", name: "f", try: "alter foreign table app.f add column more int"},
		{objectType: "sequence", schema: "app", name: "seq", try: "alter sequence app.seq increment 2"},
		{objectType: "routine", schema: "app", name: "fn(integer, text)", try: "alter function app.fn(int, text) strict"},
		{objectType: "routine", schema: "app", name: "many", try: "alter function app.many() strict; alter function app.many(int) strict"},
		{objectType: "routine", schema: "app", name: "pr()", try: "alter procedure app.pr() security definer"},
		{objectType: "routine", schema: "app", name: "agg(integer)", try: "drop aggregate app.agg(int)"},
		{objectType: "type", schema: "app", name: "color", try: "drop type app.color"},
		{objectType: "type", schema: "app", name: "age", try: "alter domain app.age set not null"},
		{objectType: "type", schema: "app", name: "pair", try: "alter type app.pair add attribute c int"},
		{objectType: "type", schema: "app", name: "span", try: "drop type app.span"},
		{objectType: "type", schema: "app", name: "tags", try: "alter domain app.tags set not null"},
		{objectType: "schema", name: "vault", try: "drop schema vault"},
		{objectType: "database", name: second, try: "alter database " + second + " connection limit 7"},
		{objectType: "language", name: "lang", try: "drop language lang"},
		{objectType: "foreign_server", name: "srv", try: "alter server srv version '2'"},
		{objectType: "tablespace", name: space, try: "alter tablespace " + space + " set (random_page_cost = 2)"},
		{objectType: "large_object", name: "4711", try: "select lo_unlink(4711)"},
	}
	// The one type that is missing has a test of its own.
	types := []string{"foreign_data_wrapper"}
	for i := range cells {
		types = append(types, cells[i].objectType)
		cells[i].role = f.user(t, fmt.Sprintf("o%d", i))
		f.cannot(t, cells[i].role, cells[i].try)
	}
	slices.Sort(types)
	sameList(t, "what has an owner", slices.Compact(types), f.texts(t, "select distinct object_type from sync_roles.objects where object_type not in ('role', 'parameter')"))

	same, nothing := f.untouched(t, neighbour), f.nothingBorrowed(t)
	ids := make([]int64, len(cells))
	for i, c := range cells {
		ids[i] = f.add(t, row{role: c.role, privilege: "OWNER", objectType: c.objectType, schema: c.schema, name: c.name, direct: []*bool{nil, ptr(true)}[i%2]})
	}
	f.pending(t)
	for _, c := range cells {
		if c.objectType == "database" {
			f.outcome(t, c.role, plan.Blocked)
			f.cannot(t, c.role, c.try)
			if fixes, want := f.fixes(t, c.role), "ALTER ROLE "+quote(f.Daemon)+" CREATEDB"; !slices.Equal(fixes, []string{want}) {
				t.Errorf("the fixes are %q, want %q", fixes, want)
			}
		}
	}
	f.rescan(t)
	for i, c := range cells {
		f.can(t, c.role, c.try)
		f.cannot(t, neighbour, c.try)
		f.cannot(t, cells[(i+1)%len(cells)].role, c.try) // nor does owning something else help
		f.outcome(t, c.role, plan.Applied)
	}
	f.cannot(t, cells[0].role, "create table app.mine (id int)") // CREATE on the schema was for the moment
	f.is(t, false, "exists (select from pg_proc where proname = 'fn' and pronargs = 1 and proowner <> $1::regrole)", f.Owner)
	nothing()
	same()
	f.quiet(t)

	f.delete(t, ids...)
	f.pending(t)
	for _, c := range cells {
		f.cannot(t, c.role, c.try)
		f.can(t, f.Daemon, c.try)
		f.outcome(t, c.role, plan.Applied)
	}
	f.is(t, false, "exists (select from pg_shdepend where deptype = 'o' and refclassid = 'pg_authid'::regclass and refobjid in (select oid from pg_roles where rolname ~ $1))", "^"+f.Prefix+"o[0-9]+$")
	nothing()
	same()
	f.quiet(t)
}

// PostgreSQL gives a foreign data wrapper to superusers only, and those are never managed. The row is reported, no statement would help, and no other
// row is harmed, whatever the daemon is.
func TestMatrixOwnerOfForeignDataWrapper(t *testing.T) {
	t.Parallel()
	for _, superuser := range []bool{false, true} {
		t.Run(fmt.Sprintf("daemon superuser %t", superuser), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			x := f.user(t, "x")
			f.Exec(t, "create foreign data wrapper wrapper")
			if superuser {
				f.superuserDaemon(t)
			}
			id := f.insert(t, x, "OWNER", "foreign_data_wrapper", "", "wrapper")
			f.insert(t, x, "SELECT", "table", "app", "sales")
			f.pending(t)
			f.can(t, x, "select from app.sales")
			f.cannot(t, x, "drop foreign data wrapper wrapper")
			last := f.last(t, x)
			if outcomes := []string{string(plan.Blocked), string(plan.Refused)}; !slices.Contains(outcomes, last.Outcome) || len(last.Problems) != 1 ||
				!strings.Contains(fmt.Sprint(last.Problems[0]), "wrapper") || last.Problems[0].Fix != "" {
				t.Errorf("the audit says: %v", last)
			}
			f.quiet(t)
			f.delete(t, id)
			f.pending(t)
			f.inOrder(t, x)
			f.can(t, x, "select from app.sales")
			f.quiet(t)
		})
	}
}

// What belongs to a superuser: a fix is named that somebody can run without giving the daemon all there is.
func TestMatrixOwnerOfASuperusers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.user(t, "x")
	f.Exec(t, "create table app.boss (id int)")
	f.insert(t, x, "OWNER", "table", "app", "boss")
	f.insert(t, x, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.can(t, x, "select from app.sales")
	f.cannot(t, x, "drop table app.boss")
	f.outcome(t, x, plan.Blocked)
	if p := f.problem(t, x, plan.Blocked, "OWNER", "table app.boss"); strings.HasPrefix(p.Fix, `GRANT "postgres" TO `) {
		t.Errorf("the fix makes the daemon a superuser, which the README says it must not be: %s", p.Fix)
	}
	f.quiet(t)
	f.fixes(t, x)
	f.rescan(t)
	f.can(t, x, "drop table app.boss")
	f.inOrder(t, x)
	f.quiet(t)
}

// A server's owner must have USAGE on its wrapper: PostgreSQL refuses it to others. They are told so, and have all the rest.
func TestMatrixOwnerOfForeignServerWithoutUsage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.user(t, "x")
	f.wrappedServer(t)
	f.insert(t, x, "OWNER", "foreign_server", "", "srv")
	f.insert(t, x, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.can(t, x, "select from app.sales")
	f.cannot(t, x, "alter server srv version '2'")
	f.outcome(t, x, plan.Blocked)
	f.problem(t, x, plan.Blocked, "permission denied for foreign-data wrapper wrapper")
	f.quiet(t)
	f.Exec(t, "grant usage on foreign data wrapper wrapper to "+x)
	f.rescan(t)
	f.can(t, x, "alter server srv version '2'")
	f.outcome(t, x, plan.Applied)
	f.quiet(t)
}

// The same when it is revoked, and whom it would go to has no USAGE: all else that is to go goes.
func TestMatrixOwnerThatCannotGo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, heir := f.user(t, "x"), f.user(t, "heir")
	policy := defaultPolicy
	policy.FallbackOwner = heir
	f.engine = f.engineWith(t, policy)
	f.wrappedServer(t)
	f.Exec(t, "grant usage on foreign data wrapper wrapper to "+x)
	ids := []int64{f.insert(t, x, "OWNER", "foreign_server", "", "srv"), f.insert(t, x, "SELECT", "table", "app", "sales")}
	f.pending(t)
	f.can(t, x, "select from app.sales; alter server srv version '2'")
	f.quiet(t)

	f.delete(t, ids...)
	f.pending(t)
	f.cannot(t, x, "select from app.sales")
	f.can(t, x, "alter server srv version '2'")
	f.outcome(t, x, plan.Blocked)
	f.problem(t, x, plan.Blocked, "permission denied for foreign-data wrapper wrapper")
	f.quiet(t)
	f.Exec(t, "grant usage on foreign data wrapper wrapper to "+heir)
	f.rescan(t)
	f.cannot(t, x, "alter server srv version '2'")
	f.can(t, heir, "drop server srv")
	f.inOrder(t, x)
	f.quiet(t)
}

// wrappedServer makes a server that belongs to the owner, and whose wrapper is for nobody else.
func (f *fixture) wrappedServer(t *testing.T) {
	t.Helper()
	f.Exec(t, fmt.Sprintf("create foreign data wrapper wrapper; create server srv foreign data wrapper wrapper; grant usage on foreign data wrapper wrapper to %[1]s; alter server srv owner to %[1]s", f.Owner))
}
