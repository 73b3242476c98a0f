package reconcile_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// privilegeCase is a desired grant, and what a login may do because of it.
type privilegeCase struct {
	name    string
	since   int // major version
	setUp   string
	row     row
	try     string
	byHand  string   // the same for a neighbour
	more    []string // further statements that it allows
	neither []string // statements that it does not allow
}

const raiseUnless = "do $$ begin if not %s then raise insufficient_privilege; end if; end $$"

func privilegeCases() []privilegeCase {
	schemaOf := map[string]string{
		"view":              "create view app.thing as select * from app.sales",
		"materialized view": "create materialized view app.thing as select * from app.sales",
		"partitioned table": "create table app.thing (id int) partition by list (id); create table app.thing_1 partition of app.thing for values in (1)",
		"foreign table":     "reset role; create foreign data wrapper fdw; create server srv foreign data wrapper fdw; create foreign table app.thing (id int) server srv; alter foreign table app.thing owner to %s",
	}
	cases := []privilegeCase{
		{name: "CONNECT on database", row: row{privilege: "CONNECT", objectType: "database", name: "%d"}, try: "select 1", byHand: "grant connect on database %d to %r"},
		{name: "CREATE on database", row: row{privilege: "CREATE", objectType: "database", name: "%d"}, try: "create schema mine", byHand: "grant create on database %d to %r"},
		{
			name: "TEMPORARY on database", setUp: "reset role; revoke temporary on database %d from public",
			row: row{privilege: "TEMPORARY", objectType: "database", name: "%d"}, try: "create temporary table mine (id int)", byHand: "grant temporary on database %d to %r",
		},
		{
			name: "ALL on database", setUp: "reset role; revoke temporary on database %d from public",
			row: row{privilege: "ALL", objectType: "database", name: "%d"}, try: "create temporary table mine (id int)", more: []string{"create schema mine"}, byHand: "grant all on database %d to %r",
		},
		{
			name: "USAGE on schema", setUp: "create schema vault; create table vault.t (id int); grant select on vault.t to public",
			row: row{privilege: "USAGE", objectType: "schema", name: "vault"}, try: "select from vault.t", neither: []string{"create table vault.mine (id int)"}, byHand: "grant usage on schema vault to %r",
		},
		{
			name: "CREATE on schema",
			row:  row{privilege: "CREATE", objectType: "schema", name: "app"}, try: "create table app.mine (id int)", neither: []string{"select from app.sales"}, byHand: "grant create on schema app to %r",
		},
		{
			name: "ALL on schema", setUp: "create schema vault; create table vault.t (id int); grant select on vault.t to public",
			row: row{privilege: "ALL", objectType: "schema", name: "vault"}, try: "select from vault.t", more: []string{"create table vault.mine (id int)"}, byHand: "grant all on schema vault to %r",
		},
		{
			name: "SELECT on columns",
			row:  row{privilege: "SELECT", objectType: "table", schema: "app", name: "sales", column: "id"}, try: "select id from app.sales", neither: []string{"select amount from app.sales"}, byHand: "grant select (id) on app.sales to %r",
		},
		{
			name: "SELECT on tables by regex",
			row:  row{privilege: "SELECT", objectType: "table", schema: "app", name: "sal.+", match: "regex"}, try: "select from app.sales", neither: []string{"select from app.costs"}, byHand: "grant select on app.sales to %r",
		},
		{
			name: "ALL on table", setUp: "grant usage, create on schema app to public",
			row: row{privilege: "ALL", objectType: "table", schema: "app", name: "sales"}, try: "select from app.sales",
			more: []string{"insert into app.sales values (1)", "update app.sales set id = 2", "delete from app.sales", "truncate app.sales"}, neither: []string{"select from app.costs", "drop table app.sales"}, byHand: "grant all on app.sales to %r",
		},
		{
			name: "USAGE on sequence", setUp: "create sequence app.seq",
			row: row{privilege: "USAGE", objectType: "sequence", schema: "app", name: "seq"}, try: "select nextval('app.seq')", neither: []string{"select setval('app.seq', 7)"}, byHand: "grant usage on sequence app.seq to %r",
		},
		{
			name: "ALL on sequence", setUp: "create sequence app.seq",
			row: row{privilege: "ALL", objectType: "sequence", schema: "app", name: "seq"}, try: "select setval('app.seq', 7)", more: []string{"select from app.seq"}, byHand: "grant all on sequence app.seq to %r",
		},
		{
			name: "EXECUTE on one routine", setUp: "create function app.f(a int, b text) returns int language sql as 'select 1'; create function app.f(a int) returns int language sql as 'select 1'; revoke execute on all functions in schema app from public",
			row: row{privilege: "EXECUTE", objectType: "routine", schema: "app", name: "f(integer, text)"}, try: "select app.f(1, '')", neither: []string{"select app.f(1)"}, byHand: "grant execute on function app.f(int, text) to %r",
		},
		{
			name: "EXECUTE on all overloads", setUp: "create function app.f(a int, b text) returns int language sql as 'select 1'; create procedure app.f(a int) language sql as 'select 1'; revoke execute on all routines in schema app from public",
			row: row{privilege: "EXECUTE", objectType: "routine", schema: "app", name: "f"}, try: "select app.f(1, '')", more: []string{"call app.f(1)"}, byHand: "grant execute on all routines in schema app to %r",
		},
		{
			name: "USAGE on type", setUp: "create type app.mood as enum ('ok'); revoke usage on type app.mood from public; grant create on schema app to public",
			row: row{privilege: "USAGE", objectType: "type", schema: "app", name: "mood"}, try: "create table app.mine (m app.mood)", byHand: "grant usage on type app.mood to %r",
		},
		{
			name: "USAGE on foreign server", setUp: "grant create on schema app to public; reset role; create foreign data wrapper fdw; create server srv foreign data wrapper fdw; grant usage on foreign data wrapper fdw to %s; alter server srv owner to %s",
			row: row{privilege: "USAGE", objectType: "foreign_server", name: "srv"}, try: "create foreign table app.mine (id int) server srv", byHand: "grant usage on foreign server srv to %r",
		},
		{
			name: "SELECT on large object", setUp: "select lo_create(4711)",
			row: row{privilege: "SELECT", objectType: "large_object", name: "4711"}, try: "select lo_get(4711)", byHand: "grant select on large object 4711 to %r",
		},
	}
	for privilege, try := range map[string]string{
		"SELECT": "select from app.sales", "INSERT": "insert into app.sales values (1)", "UPDATE": "update app.sales set id = 2",
		"DELETE": "delete from app.sales", "TRUNCATE": "truncate app.sales",
		"REFERENCES": "create table app.mine (id int references app.sales (id))",
		"TRIGGER":    "create trigger mine before insert on app.sales execute function app.nothing()",
		"MAINTAIN":   "lock table app.sales in share mode",
	} {
		c := privilegeCase{
			name:  privilege + " on table",
			setUp: "alter table app.sales add unique (id); grant create on schema app to public; create function app.nothing() returns trigger language plpgsql as 'begin return new; end'",
			row:   row{privilege: privilege, objectType: "table", schema: "app", name: "sales"}, try: try, byHand: "grant " + privilege + " on app.sales to %r",
		}
		if privilege != "SELECT" {
			c.neither = []string{"select from app.sales"}
		}
		if privilege == "MAINTAIN" {
			c.since = 17
		}
		cases = append(cases, c)
	}
	for kind, setUp := range schemaOf {
		for _, privilege := range []string{"SELECT", "ALL"} {
			c := privilegeCase{
				name: privilege + " on " + kind, setUp: setUp,
				row: row{privilege: privilege, objectType: "table", schema: "app", name: "thing"}, try: "select from app.thing", byHand: "grant " + privilege + " on app.thing to %r",
			}
			if kind == "foreign table" { // without a handler it cannot be read, whatever the privileges
				c.try = fmt.Sprintf(raiseUnless, "has_table_privilege('app.thing', 'SELECT')")
			}
			if privilege == "ALL" {
				c.more = []string{fmt.Sprintf(raiseUnless, "(has_table_privilege('app.thing', 'UPDATE') and has_table_privilege('app.thing', 'TRIGGER'))")}
			}
			cases = append(cases, c)
		}
	}
	return cases
}

// What a row asks for can be used by a real login, in each encoding, and no longer when the row has gone.
func TestGrantsPrivileges(t *testing.T) {
	t.Parallel()
	for _, c := range privilegeCases() {
		for encoding, direct := range map[string]*bool{"null": nil, "true": ptr(true), "false": ptr(false)} {
			t.Run(c.name+"/direct "+encoding, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				if f.Version < c.since {
					t.Skipf("PostgreSQL %d has no such privilege", f.Version)
				}
				own := c // the other encodings run at the same time
				own.row.direct = direct
				testPrivilege(t, f, own)
			})
		}
	}
}

func testPrivilege(t *testing.T, f *fixture, c privilegeCase) {
	t.Helper()
	fill := func(sql, role string) string {
		return strings.NewReplacer("%d", f.Database, "%r", role, "%s", f.Owner).Replace(sql)
	}
	if c.setUp != "" {
		f.asOwner(t, fill(c.setUp, ""))
	}
	alice, bob, carol := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "carol")
	if c.row.privilege == "CONNECT" {
		f.Exec(t, fmt.Sprintf("revoke connect on database %s from %s, %s", f.Database, alice, carol))
	}
	f.asOwnerOfDatabase(t, c, fill(c.byHand, bob))
	f.cannot(t, alice, c.try)
	f.can(t, bob, c.try)

	r := c.row
	r.role, r.name = alice, fill(r.name, "")
	id := f.add(t, r)
	// carol is managed, too, and asks for nothing.
	f.write(t, "insert into sync_roles.desired_roles (role_name) values ($1)", carol)
	f.pending(t)
	for _, sql := range append([]string{c.try}, c.more...) {
		f.can(t, alice, sql)
	}
	for _, sql := range c.neither {
		f.cannot(t, alice, sql)
	}
	f.cannot(t, carol, c.try)
	f.can(t, bob, c.try)
	f.outcome(t, alice, plan.Applied)
	f.encoded(t, id, r.direct, r.match)
	f.quiet(t)

	f.delete(t, id)
	f.pending(t)
	for _, sql := range append([]string{c.try}, c.more...) {
		f.cannot(t, alice, sql)
	}
	f.can(t, bob, c.try)
	f.outcome(t, alice, plan.Applied)
	f.quiet(t)
	f.noIntermediates(t)
}

// asOwnerOfDatabase grants by hand what only the database's owner may, or what the application's owner does.
func (f *fixture) asOwnerOfDatabase(t *testing.T, c privilegeCase, sql string) {
	t.Helper()
	if c.row.objectType == "database" {
		sql = "set role " + f.Daemon + "; " + sql
	} else {
		sql = "set role " + f.Owner + "; " + sql
	}
	f.Exec(t, sql)
}

// encoded asserts that a row is satisfied in the encoding that it asks for, and that grant_status says so.
func (f *fixture) encoded(t *testing.T, id int64, direct *bool, match string) {
	t.Helper()
	var status string
	var encoding, via *string
	err := f.daemon.QueryRow(t.Context(), "select status, encoding, via from sync_roles.grant_status where id = $1", id).Scan(&status, &encoding, &via)
	if err != nil {
		t.Fatal(err)
	}
	want := "direct"
	if direct != nil && !*direct || direct == nil && match != "" && match != "exact" {
		want = "intermediate"
	}
	if status != "applied" || encoding == nil || *encoding != want || (want == "intermediate") != (via != nil) {
		t.Errorf("grant_status has %s, encoding %s, via %s; want applied, %s", status, show(encoding), show(via), want)
	}
}

func show(s *string) string {
	if s == nil {
		return "null"
	}
	return strconv.Quote(*s)
}

// noIntermediates asserts that neither the registry nor the cluster has an intermediate role of this database.
func (f *fixture) noIntermediates(t *testing.T) {
	t.Helper()
	if list := f.intermediates(t); len(list) > 0 {
		t.Errorf("intermediate roles are left: %v", list)
	}
}

// OWNER gives all that an owner may do, and DELETE takes all of it away.
func TestGrantsOwner(t *testing.T) {
	t.Parallel()
	for _, direct := range []*bool{nil, ptr(true)} {
		t.Run("of a table, direct "+fmt.Sprint(direct != nil), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			f.asOwner(t, "grant select on app.sales to "+bob)
			id := f.add(t, row{role: alice, privilege: "OWNER", objectType: "table", schema: "app", name: "sales", direct: direct})
			f.pending(t)
			f.can(t, alice, "alter table app.sales add column extra int")
			f.can(t, alice, "select from app.sales")
			f.can(t, bob, "select from app.sales")
			// What owning takes for the moment does not stay.
			f.cannot(t, alice, "create table app.mine (id int)")
			f.cannot(t, alice, "select from app.costs")
			f.outcome(t, alice, plan.Applied)
			f.quiet(t)

			f.delete(t, id)
			f.pending(t)
			f.cannot(t, alice, "alter table app.sales add column extra int")
			f.cannot(t, alice, "select from app.sales")
			f.can(t, bob, "select from app.sales")
			f.can(t, f.Daemon, "drop table app.sales")
			f.outcome(t, alice, plan.Applied)
			f.quiet(t)
		})
	}

	t.Run("of a schema that is made", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		alice, bob := f.user(t, "alice"), f.user(t, "bob")
		id := f.add(t, row{role: alice, privilege: "OWNER", objectType: "schema", name: "fresh", create: true})
		f.pending(t)
		f.can(t, alice, "create table fresh.t (id int)")
		f.can(t, alice, "drop schema fresh")
		f.cannot(t, bob, "create table fresh.t (id int)")
		f.outcome(t, alice, plan.Applied)
		f.quiet(t)

		f.delete(t, id)
		f.pending(t)
		f.cannot(t, alice, "create table fresh.t (id int)")
		f.cannot(t, alice, "drop schema fresh")
		f.can(t, f.Daemon, "drop schema fresh")
		f.quiet(t)
	})

	// With create_if_not_exists, a schema that is there changes its owner; without, one that is not is waited for.
	t.Run("of a schema", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		alice, bob := f.user(t, "alice"), f.user(t, "bob")
		f.add(t, row{role: alice, privilege: "OWNER", objectType: "schema", name: "app", create: true})
		id := f.insert(t, bob, "OWNER", "schema", "", "later")
		f.pending(t)
		f.can(t, alice, "create table app.t (id int)")
		f.outcome(t, bob, plan.Waiting)
		f.quiet(t)
		f.Exec(t, "create schema later authorization "+f.Owner)
		f.rescan(t)
		f.can(t, bob, "create table later.t (id int)")
		f.cannot(t, alice, "create table later.t (id int)")
		f.outcome(t, bob, plan.Applied)
		f.quiet(t)
		f.delete(t, id)
		f.pending(t)
		f.cannot(t, bob, "create table later.t (id int)")
		f.can(t, alice, "create table app.t (id int)")
		f.quiet(t)
	})
}

// MEMBER gives what the other role has, and SET ROLE; the role is made, without login, if it does not exist.
func TestGrantsMember(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob, team := f.user(t, "alice"), f.user(t, "bob"), f.Role("team")
	id := f.insert(t, alice, "MEMBER", "role", "", team)
	f.insert(t, team, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.can(t, alice, "select from app.sales")
	f.can(t, alice, "set role "+team)
	f.cannot(t, bob, "select from app.sales")
	f.cannot(t, bob, "set role "+team)
	if _, err := f.TryConnect(t.Context(), team); err == nil {
		t.Error("the role that a MEMBER row made can log in")
	}
	f.outcome(t, alice, plan.Applied)
	f.quiet(t)

	f.insert(t, bob, "MEMBER", "role", "", team)
	f.pending(t)
	f.can(t, bob, "select from app.sales")
	f.delete(t, id)
	f.pending(t)
	f.cannot(t, alice, "select from app.sales")
	f.cannot(t, alice, "set role "+team)
	f.can(t, bob, "select from app.sales")
	f.quiet(t)
}

// An identical row is refused, so that ON CONFLICT DO NOTHING is idempotent, and the other one counts.
func TestGrantsTwice(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	for range 2 {
		f.write(t, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name)
			values ($1, 'SELECT', 'table', 'app', 'sales') on conflict do nothing`, alice)
	}
	f.pending(t)
	f.can(t, alice, "select from app.sales")
	f.quiet(t)
	f.write(t, "delete from sync_roles.desired_grants")
	f.pending(t)
	f.cannot(t, alice, "select from app.sales")
	f.quiet(t)
}

// grantable lets the grantee pass the privilege on; without, it may not.
func TestGrantsGrantable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	id := f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", grantable: true})
	f.pending(t)
	f.can(t, alice, "grant select on app.sales to "+bob)
	f.quiet(t)
	f.loses(t, alice, "select from app.sales", id)
}
