package reconcile_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// What this server does not know is refused at INSERT. Where it came in even so, as from a dump of a newer server, it is reported, and harms no other row.
func TestMatrixUnknownToServer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	unknown := []row{
		{privilege: "REPACK", objectType: "table", schema: "app", name: "sales"}, // of a version to come
		{privilege: "SELECT", objectType: "property_graph", schema: "app", name: "graph"},
		{privilege: "OWNER", objectType: "property_graph", schema: "app", name: "graph"},
		{privilege: "OWNER", objectType: "parameter", name: "log_parser_stats"},
	}
	if f.Version < 17 {
		unknown = append(unknown,
			row{privilege: "MAINTAIN", objectType: "table", schema: "app", name: "sales"},
			row{privilege: "MAINTAIN", objectType: "table", schema: "app", name: "costs", direct: ptr(false)},
			row{privilege: "MAINTAIN", objectType: "table", schema: "app", name: "sal%", match: "like"},
			row{privilege: "MAINTAIN", objectType: "table", schema: "app", name: "later"})
	}
	if f.Version < 15 {
		for _, privilege := range []string{"SET", "ALTER SYSTEM", "ALL"} {
			unknown = append(unknown, row{privilege: privilege, objectType: "parameter", name: "log_parser_stats"})
		}
	}
	for _, r := range unknown {
		_, err := f.tryAdd(t, r.of(alice))
		if err == nil || sqlstate(t, err) != "23514" || !strings.Contains(err.Error(), "'"+r.privilege+"' does not exist for object_type '"+r.objectType+"' on this server") &&
			!strings.Contains(err.Error(), "object_type '"+r.objectType+"' is unknown") {
			t.Errorf("%+v is not refused at INSERT: %v", r, err)
		}
	}

	f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.insert(t, bob, "SELECT", "table", "app", "sales")
	f.write(t, "alter table sync_roles.desired_grants disable trigger user")
	bad := map[int64]row{}
	for _, r := range unknown {
		bad[f.add(t, r.of(alice))] = r
	}
	f.add(t, row{role: alice, privilege: "INSERT", objectType: "table", schema: "app", name: "sal%", match: "like"})
	f.write(t, "alter table sync_roles.desired_grants enable trigger user")
	f.rescan(t)
	f.can(t, alice, "select * from app.sales")
	f.can(t, alice, "insert into app.sales values (1)")
	f.can(t, bob, "select * from app.sales")
	f.outcome(t, alice, plan.Refused)
	f.outcome(t, bob, plan.Applied)
	reported := map[int64]string{}
	for _, p := range f.last(t, alice).Problems {
		if p.Kind == plan.Refused {
			reported[p.GrantID] = p.Reason
		}
	}
	for id, r := range bad {
		if !strings.Contains(reported[id], "'"+r.objectType+"'") {
			t.Errorf("%+v (id %d) is reported as refused because %q", r, id, reported[id])
		}
		var status, reason string
		if err := f.daemon.QueryRow(t.Context(), "select status, coalesce(reason, '') from sync_roles.grant_status where id = $1", id).Scan(&status, &reason); err != nil {
			t.Fatal(err)
		}
		if status != "refused" || reason != reported[id] {
			t.Errorf("grant_status says of %+v: %s, %q", r, status, reason)
		}
	}
	f.quiet(t)

	f.delete(t, slices.Collect(maps.Keys(bad))...)
	f.pending(t)
	f.inOrder(t, alice)
	f.can(t, alice, "select * from app.sales")
	f.can(t, alice, "insert into app.sales values (1)")
	f.quiet(t)
}

// A column that is not there yet is waited for, with whatever privilege and in whatever encoding.
func TestMatrixColumnThatComesLater(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, ben, bob := f.user(t, "alice"), f.user(t, "ben"), f.user(t, "bob")
	f.asOwner(t, "grant create on schema app to public")
	uses := map[string]string{
		"SELECT": "select later from app.sales", "INSERT": "insert into app.sales (later) values (1)", "UPDATE": "update app.sales set later = 2",
		"REFERENCES": "create table app.mine (later int references app.sales (later))",
	}
	for privilege := range uses {
		for role, direct := range map[string]*bool{alice: ptr(true), ben: ptr(false)} {
			f.add(t, row{role: role, privilege: privilege, objectType: "table", schema: "app", name: "sales", column: "later", direct: direct})
		}
	}
	f.pending(t)
	for _, role := range []string{alice, ben} {
		f.outcome(t, role, plan.Waiting)
		f.problem(t, role, plan.Waiting, "app.sales", "later")
	}
	f.quiet(t)

	f.asOwner(t, "alter table app.sales add column later int unique")
	f.rescan(t)
	for _, use := range uses {
		f.can(t, alice, use)
		f.can(t, ben, use)
		f.cannot(t, bob, use)
	}
	for _, role := range []string{alice, ben} {
		f.cannot(t, role, "select id from app.sales")
		f.inOrder(t, role)
	}
	f.quiet(t)

	f.asOwner(t, "alter table app.sales drop column later")
	f.rescan(t)
	for _, role := range []string{alice, ben} {
		f.outcome(t, role, plan.Waiting)
	}
	f.quiet(t)
	f.write(t, "delete from sync_roles.desired_grants")
	f.pending(t)
	f.quiet(t)
	f.noIntermediates(t)
}

// A large object that is gone is waited for, and one of the same number that comes after it is granted.
func TestMatrixLargeObjectThatIsGone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, ben, owner := f.user(t, "alice"), f.user(t, "ben"), f.user(t, "owner_of_it")
	f.asOwner(t, "select lo_create(4711)")
	ids := []int64{f.insert(t, owner, "OWNER", "large_object", "", "4711")}
	for _, privilege := range []string{"SELECT", "UPDATE"} {
		ids = append(ids, f.add(t, row{role: alice, privilege: privilege, objectType: "large_object", name: "4711", direct: ptr(true)}),
			f.add(t, row{role: ben, privilege: privilege, objectType: "large_object", name: "4711", direct: ptr(false)}))
	}
	granted := func() {
		t.Helper()
		for _, role := range []string{alice, ben} {
			f.can(t, role, "select lo_get(4711), lo_put(4711, 0, 'x')")
			f.cannot(t, role, "select lo_unlink(4711)")
			f.inOrder(t, role)
		}
		f.can(t, owner, "select lo_unlink(4711)")
		f.quiet(t)
	}
	f.pending(t)
	granted()

	f.Exec(t, "select lo_unlink(4711)")
	f.rescan(t)
	for _, role := range []string{alice, ben, owner} {
		f.outcome(t, role, plan.Waiting)
		f.problem(t, role, plan.Waiting, "large_object 4711")
	}
	f.quiet(t)

	f.asOwner(t, "select lo_create(4711)")
	f.rescan(t)
	granted()

	f.Exec(t, "select lo_unlink(4711)")
	f.delete(t, ids...)
	f.pending(t)
	for _, role := range []string{alice, ben, owner} {
		f.inOrder(t, role)
	}
	f.quiet(t)
	f.noIntermediates(t)
}

// What belongs to a superuser, a daemon that is none cannot grant: it names what it lacks, for every type, and with that it gives and takes.
func TestMatrixOfASuperusers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	neighbour, space := f.user(t, "neighbour"), f.tablespace(t, "boss", "")
	f.Exec(t, fmt.Sprintf(`
		grant create on schema app to public;
		create table app.boss (id int);
		create sequence app.boss_seq;
		create function app.boss() returns int language sql as 'select 1';
		revoke execute on function app.boss() from public;
		create type app.color as enum ('red');
		revoke usage on type app.color from public;
		create schema boss;
		create table boss.t (id int);
		grant select on boss.t to public;
		revoke usage on language plpgsql from public;
		create foreign data wrapper wrapper;
		create server srv foreign data wrapper wrapper;
		select lo_create(4711);
		alter database %[1]s owner to postgres;
		grant connect on database %[1]s to %[2]s`, f.Database, f.Daemon))
	cells := []cell{
		{row: row{privilege: "SELECT", objectType: "table", schema: "app", name: "boss"}, try: "select * from app.boss"},
		{row: row{privilege: "USAGE", objectType: "sequence", schema: "app", name: "boss_seq"}, try: "select nextval('app.boss_seq')"},
		{row: row{privilege: "EXECUTE", objectType: "routine", schema: "app", name: "boss()"}, try: "select app.boss()"},
		{row: row{privilege: "USAGE", objectType: "type", schema: "app", name: "color"}, try: "create table app.mine (m app.color)"},
		{row: row{privilege: "USAGE", objectType: "schema", name: "boss"}, try: "select from boss.t"},
		{row: row{privilege: "CREATE", objectType: "database", name: f.Database}, try: "create schema mine"},
		{row: row{privilege: "USAGE", objectType: "language", name: "plpgsql"}, try: "create function app.mine() returns int language plpgsql as 'begin return 1; end'"},
		{row: row{privilege: "USAGE", objectType: "foreign_data_wrapper", name: "wrapper"}, try: "create server mine foreign data wrapper wrapper"},
		{row: row{privilege: "USAGE", objectType: "foreign_server", name: "srv"}, try: "create foreign table app.mine (id int) server srv"},
		{row: row{privilege: "CREATE", objectType: "tablespace", name: space}, try: "create table app.mine (id int) tablespace " + space},
		{row: row{privilege: "SELECT", objectType: "large_object", name: "4711"}, try: "select lo_get(4711)"},
	}
	if f.Version >= 15 {
		cells = append(cells, cell{row: row{privilege: "SET", objectType: "parameter", name: "log_duration"}, try: "set log_duration = on"})
	}
	var ids []int64
	for i := range cells {
		c := &cells[i]
		c.role = f.user(t, fmt.Sprintf("c%d", i))
		r := c.row.of(c.role)
		r.direct = ptr(i%2 == 0)
		ids = append(ids, f.add(t, r))
	}
	f.pending(t)
	for _, c := range cells {
		f.cannot(t, c.role, c.try)
		f.outcome(t, c.role, plan.Blocked)
		want := fmt.Sprintf("GRANT %s ON ", c.row.privilege)
		if fixes := f.fixes(t, c.role); len(fixes) != 1 || !strings.HasPrefix(fixes[0], want) || !strings.HasSuffix(fixes[0], quote(f.Daemon)+" WITH GRANT OPTION") {
			t.Errorf("%s: the fixes are %q", &c, fixes)
		}
	}
	f.rescan(t)
	for _, c := range cells {
		f.can(t, c.role, c.try)
		f.cannot(t, neighbour, c.try)
		f.inOrder(t, c.role)
	}
	f.quiet(t)
	f.delete(t, ids...)
	f.pending(t)
	for _, c := range cells {
		f.cannot(t, c.role, c.try)
		f.inOrder(t, c.role)
	}
	f.quiet(t)
	f.noIntermediates(t)
}

// A range type comes with a multirange type, which from 17 on has the privileges of the range and no own. A pattern that finds both is for the range.
func TestMatrixMultirangeInAPattern(t *testing.T) {
	t.Parallel()
	for _, privilege := range []string{"USAGE", "OWNER"} {
		for _, direct := range []*bool{nil, ptr(true)} {
			t.Run(fmt.Sprintf("%s, direct asked for %t", privilege, direct != nil), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				alice, bob := f.user(t, "alice"), f.user(t, "bob")
				f.asOwner(t, `
					grant create on schema app to public;
					create type app.span as range (subtype = int);
					revoke usage on type app.span from public`)
				use := "create table app.mine (a app.span, b app.span_multirange)"
				if privilege == "OWNER" {
					use = "drop type app.span"
				}
				if f.Version < 17 {
					f.asOwner(t, "revoke usage on type app.span_multirange from public")
				}
				f.cannot(t, alice, use)
				id := f.add(t, row{role: alice, privilege: privilege, objectType: "type", schema: "app", name: "s%", match: "like", direct: direct})
				f.insert(t, alice, "SELECT", "table", "app", "sales")
				f.pending(t)
				f.can(t, alice, use)
				f.can(t, alice, "select from app.sales")
				f.cannot(t, bob, use)
				for _, role := range append(f.intermediates(t), alice) {
					f.inOrder(t, role)
				}
				f.quiet(t)
				f.delete(t, id)
				f.pending(t)
				f.cannot(t, alice, use)
				f.inOrder(t, alice)
				f.quiet(t)
			})
		}
	}
}

// Procedures that differ in OUT arguments only, and types whose names have what separates arguments, are told apart.
func TestMatrixRoutinesHardToTellApart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob, carol := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "carol")
	f.asOwner(t, `create procedure app.pr(int) language sql as 'select 1';
		create procedure app.pr(out a int) language sql as 'select 1';
		create type app."a, (b" as enum ('x');
		create function app.odd(app."a, (b", variadic text[]) returns int language sql as 'select 1';
		create function app.odd(app."a, (b") returns int language sql as 'select 1';
		revoke execute on all routines in schema app from public`)
	mayCallOut := "(select has_function_privilege($1, oid, 'execute') from pg_proc where proname = 'pr' and pronargs = 0)"
	ids := []int64{
		f.insert(t, alice, "EXECUTE", "routine", "app", "pr(integer)"),
		f.insert(t, alice, "EXECUTE", "routine", "app", `odd(app."a, (b", text[])`),
		f.insert(t, bob, "EXECUTE", "routine", "app", "pr()"),
		f.insert(t, carol, "OWNER", "routine", "app", "pr(integer)"),
	}
	f.pending(t)
	f.can(t, alice, "call app.pr(1)")
	f.can(t, alice, "select app.odd('x', 'y')")
	f.is(t, false, mayCallOut, alice)
	f.cannot(t, alice, "select app.odd('x')")
	f.is(t, true, mayCallOut, bob)
	f.cannot(t, bob, "call app.pr(1)")
	f.can(t, carol, "alter procedure app.pr(in int) security definer")
	f.is(t, false, mayCallOut, carol)
	f.quiet(t)

	f.delete(t, ids...)
	f.pending(t)
	f.cannot(t, alice, "call app.pr(1)")
	f.cannot(t, alice, "select app.odd('x', 'y')")
	f.is(t, false, mayCallOut, bob)
	f.cannot(t, carol, "alter procedure app.pr(in int) security definer")
	f.quiet(t)
}

// Whoever waits for a routine learns which others of the name there are.
func TestMatrixWhichOverloadsThereAre(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	f.asOwner(t, "create function app.fn(int) returns int language sql as 'select 1'; create function app.fn(text, int[]) returns int language sql as 'select 1'")
	f.insert(t, alice, "EXECUTE", "routine", "app", "fn(integer, integer)")
	f.insert(t, alice, "OWNER", "routine", "app", "nowhere()")
	f.pending(t)
	f.problem(t, alice, plan.Waiting, "app.fn(integer, integer)", "does not exist yet; there is fn(integer), fn(text, integer[])")
	f.problem(t, alice, plan.Waiting, "app.nowhere()", "does not exist yet")
	f.is(t, true, "exists (select from sync_roles.grant_status where reason like '%there is fn(integer), fn(text, integer[])')")

	// Types of a schema that is in the reader's search_path are spelled the same.
	f.asOwner(t, "create type app.mood as enum ('a'); create function app.of(app.mood) returns int language sql as 'select 1'; revoke execute on function app.of from public")
	f.insert(t, alice, "EXECUTE", "routine", "app", "of(app.mood)")
	f.pending(t)
	for _, path := range []string{"app, public", "", "public"} {
		pgtest.One[string](t, f.super, "select set_config('search_path', $1, false)", path)
		f.is(t, true, "status = 'applied' from sync_roles.grant_status where object_name = 'of(app.mood)'")
		f.is(t, true, "count(*) = 1 from sync_roles.actual_grants where object_name = 'of(app.mood)'")
	}
	f.quiet(t)
}
