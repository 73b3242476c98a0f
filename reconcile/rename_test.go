package reconcile_test

import (
	"fmt"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// encodings of one row for app.sales.
func encodings() map[string]row {
	exact := row{privilege: "SELECT", objectType: "table", schema: "app", name: "sales"}
	with := func(r row, direct *bool) row { r.direct = direct; return r }
	pattern := row{privilege: "SELECT", objectType: "table", schema: "app", name: "sal(es|e)", match: "regex"}
	return map[string]row{
		"exact null": exact, "exact direct": with(exact, ptr(true)), "exact intermediate": with(exact, ptr(false)),
		"pattern null": pattern, "pattern direct": with(pattern, ptr(true)),
		"ALL":                 {privilege: "ALL", objectType: "table", schema: "app", name: "sales"},
		"column":              {privilege: "SELECT", objectType: "table", schema: "app", name: "sales", column: "id"},
		"column intermediate": {privilege: "SELECT", objectType: "table", schema: "app", name: "sales", column: "id", direct: ptr(false)},
	}
}

// dbt's rebuild makes a new table, renames the old one away and the new one in. All readers are back at the next rescan, and
// nobody can read the old one.
func TestRenameSwap(t *testing.T) {
	t.Parallel()
	for encoding, r := range encodings() {
		for _, dropOld := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/drop old %t", encoding, dropOld), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				alice, bob, carol := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "carol")
				var ids []int64
				for _, role := range []string{alice, bob} {
					ids = append(ids, f.add(t, r.of(role)))
				}
				f.asOwner(t, "grant select on app.sales to "+carol)
				f.pending(t)
				f.can(t, alice, "select id from app.sales")
				for range 2 { // and once more
					f.asOwner(t, `
						drop table if exists app.sales__old;
						create table app.sales__new (id int, amount int);
						begin;
						alter table app.sales rename to sales__old;
						alter table app.sales__new rename to sales;
						commit`)
					if dropOld {
						f.asOwner(t, "drop table app.sales__old")
					}
					f.cannot(t, alice, "select id from app.sales")
					f.rescan(t)
					for _, role := range []string{alice, bob} {
						f.can(t, role, "select id from app.sales")
						if !dropOld {
							f.cannot(t, role, "select id from app.sales__old")
						}
						f.inOrder(t, role)
					}
					f.quiet(t)
				}
				f.delete(t, ids[0])
				f.pending(t)
				f.cannot(t, alice, "select id from app.sales")
				f.can(t, bob, "select id from app.sales")
				f.quiet(t)
				f.delete(t, ids[1])
				f.pending(t)
				f.cannot(t, bob, "select id from app.sales")
				f.noIntermediates(t)
			})
		}
	}
}

// By-hand grants of others move with the table: they are nobody's row.
func TestRenameLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	f.asOwner(t, "grant select, insert on app.sales to "+bob+"; grant insert on app.sales to "+alice)
	f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.insert(t, bob, "SELECT", "table", "app", "costs")
	f.pending(t)
	f.asOwner(t, "alter table app.sales rename to sales_old; create table app.sales (id int)")
	f.rescan(t)
	f.can(t, alice, "select from app.sales")
	f.cannot(t, alice, "select from app.sales_old")
	f.can(t, alice, "insert into app.sales_old values (1)")
	f.can(t, bob, "select from app.sales_old")
	f.quiet(t)
}

// Without a replacement the row waits, and nobody reads the table under its new name by it; when the table comes back, so does access.
func TestRenameAwayAndBack(t *testing.T) {
	t.Parallel()
	for encoding, r := range encodings() {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			id := f.add(t, r.of(alice))
			f.asOwner(t, "grant select on app.sales to "+bob)
			f.pending(t)
			f.asOwner(t, "alter table app.sales rename to other")
			f.rescan(t)
			f.cannot(t, alice, "select id from app.other")
			f.can(t, bob, "select id from app.other")
			f.outcome(t, alice, plan.Waiting)
			f.quiet(t)
			f.asOwner(t, "alter table app.other rename to sales")
			f.rescan(t)
			f.can(t, alice, "select id from app.sales")
			f.inOrder(t, alice)
			f.quiet(t)
			f.delete(t, id)
			f.pending(t)
			f.cannot(t, alice, "select id from app.sales")
			f.can(t, bob, "select id from app.sales")
			f.quiet(t)
		})
	}
}

// DELETE after a rename, before any rescan, revokes what the row gave on the renamed table.
func TestRenameThenDelete(t *testing.T) {
	t.Parallel()
	for encoding, r := range encodings() {
		for _, replaced := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/replaced %t", encoding, replaced), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				alice, bob := f.user(t, "alice"), f.user(t, "bob")
				id := f.add(t, r.of(alice))
				f.add(t, r.of(bob))
				f.pending(t)
				f.asOwner(t, "alter table app.sales rename to other")
				if replaced {
					f.asOwner(t, "create table app.sales (id int)")
				}
				f.delete(t, id)
				f.pending(t)
				f.cannot(t, alice, "select id from app.other")
				f.rescan(t)
				f.cannot(t, bob, "select id from app.other")
				if replaced {
					f.cannot(t, alice, "select id from app.sales")
					f.can(t, bob, "select id from app.sales")
				}
				f.quiet(t)
			})
		}
	}
}

// A rename within what a pattern matches changes nothing; out of it, access goes.
func TestRenameUnderPattern(t *testing.T) {
	t.Parallel()
	for encoding, direct := range map[string]*bool{"null": nil, "true": ptr(true)} {
		t.Run("direct "+encoding, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			alice := f.user(t, "alice")
			id := f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "s%", match: "like", direct: direct})
			f.pending(t)
			f.asOwner(t, "alter table app.sales rename to sums")
			f.rescan(t)
			f.can(t, alice, "select from app.sums")
			f.quiet(t)
			f.asOwner(t, "alter table app.sums rename to totals")
			f.rescan(t)
			f.cannot(t, alice, "select from app.totals")
			f.quiet(t)
			f.asOwner(t, "alter table app.totals rename to stock; alter table app.costs rename to scosts")
			f.rescan(t)
			f.can(t, alice, "select from app.stock")
			f.can(t, alice, "select from app.scosts")
			f.quiet(t)
			f.delete(t, id)
			f.pending(t)
			f.cannot(t, alice, "select from app.stock")
			f.cannot(t, alice, "select from app.scosts")
			f.quiet(t)
			f.noIntermediates(t)
		})
	}
}

// Two tables that trade names: each name's readers read what bears the name.
func TestRenameTrade(t *testing.T) {
	t.Parallel()
	for encoding, direct := range map[string]*bool{"null": nil, "true": ptr(true), "false": ptr(false)} {
		t.Run("direct "+encoding, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", direct: direct})
			id := f.add(t, row{role: bob, privilege: "SELECT", objectType: "table", schema: "app", name: "costs", direct: direct})
			f.pending(t)
			for range 3 {
				f.asOwner(t, "begin; alter table app.sales rename to x; alter table app.costs rename to sales; alter table app.x rename to costs; commit")
				f.rescan(t)
				f.can(t, alice, "select from app.sales")
				f.cannot(t, alice, "select from app.costs")
				f.can(t, bob, "select from app.costs")
				f.cannot(t, bob, "select from app.sales")
				f.quiet(t)
			}
			f.delete(t, id)
			f.pending(t)
			f.cannot(t, bob, "select from app.costs")
			f.can(t, alice, "select from app.sales")
			f.quiet(t)
		})
	}
}

// A schema that is renamed takes its tables out of the rows; one that takes its name takes its place.
func TestRenameSchema(t *testing.T) {
	t.Parallel()
	for encoding, r := range encodings() {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.asOwner(t, "revoke usage on schema app from public")
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			ids := []int64{f.insert(t, alice, "USAGE", "schema", "", "app"), f.add(t, r.of(alice))}
			f.asOwner(t, "grant usage on schema app to "+bob+"; grant select on app.sales to "+bob)
			f.pending(t)
			f.can(t, alice, "select id from app.sales")
			f.asOwner(t, "alter schema app rename to old")
			f.sync(t) // a daemon's look would leave the schema alone for a moment
			f.cannot(t, alice, "select id from old.sales")
			f.cannot(t, alice, fmt.Sprintf(raiseUnless, "has_schema_privilege('old', 'USAGE')"))
			f.asOwner(t, "grant usage on schema old to public") // the tables' own privileges are gone, too
			f.cannot(t, alice, "select id from old.sales")
			f.can(t, bob, "select id from old.sales")
			f.outcome(t, alice, plan.Waiting)
			f.quiet(t)
			f.asOwner(t, "create schema app; create table app.sales (id int)")
			f.sync(t)
			f.can(t, alice, "select id from app.sales")
			f.cannot(t, alice, "select id from old.sales")
			f.quiet(t)
			f.loses(t, alice, "select id from app.sales", ids...)
		})
	}
}

// A table that moves to another schema, and one whose owner changes.
func TestRenameSetSchemaAndOwner(t *testing.T) {
	t.Parallel()
	for encoding, r := range encodings() {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.asOwner(t, "create schema other; grant usage on schema other to public")
			alice := f.user(t, "alice")
			id := f.add(t, r.of(alice))
			f.pending(t)
			// The grantor of an ACL's entries follows the owner.
			f.Exec(t, "alter table app.sales owner to "+f.Daemon)
			f.rescan(t)
			f.can(t, alice, "select id from app.sales")
			f.quiet(t)
			f.Exec(t, "alter table app.sales owner to "+f.Owner)
			f.asOwner(t, "alter table app.sales set schema other")
			f.rescan(t)
			f.cannot(t, alice, "select id from other.sales")
			f.quiet(t)
			f.asOwner(t, "alter table other.sales set schema app")
			f.rescan(t)
			f.can(t, alice, "select id from app.sales")
			f.quiet(t)
			f.loses(t, alice, "select id from app.sales", id)
		})
	}
}

// A column that is renamed or dropped and made again.
func TestRenameColumnMadeAnew(t *testing.T) {
	t.Parallel()
	for encoding, direct := range map[string]*bool{"null": nil, "false": ptr(false)} {
		t.Run("direct "+encoding, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			alice := f.user(t, "alice")
			id := f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", column: "amount", direct: direct})
			f.pending(t)
			f.can(t, alice, "select amount from app.sales")
			f.asOwner(t, "alter table app.sales drop column amount; alter table app.sales add column amount text")
			f.rescan(t)
			f.can(t, alice, "select amount from app.sales")
			f.cannot(t, alice, "select id from app.sales")
			f.quiet(t)
			f.loses(t, alice, "select amount from app.sales", id)
		})
	}
}

// A role of a MEMBER row that is renamed: the row asks for the name, so the new role of that name takes its place.
func TestRenameRoleOfMember(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob, team, other := f.user(t, "alice"), f.user(t, "bob"), f.Role("team"), f.Role("other")
	id := f.insert(t, alice, "MEMBER", "role", "", team)
	f.pending(t)
	f.asOwner(t, "grant select on app.sales to "+team)
	f.can(t, alice, "select from app.sales")
	f.Exec(t, "alter role "+team+" rename to "+other)
	f.rescan(t)
	f.cannot(t, alice, "set role "+other)
	f.cannot(t, alice, "select from app.sales")
	f.can(t, alice, "set role "+team) // made anew
	f.quiet(t)
	f.delete(t, id)
	f.pending(t)
	f.cannot(t, alice, "set role "+team)
	f.cannot(t, bob, "set role "+other)
	f.quiet(t)
}

// The grantee is renamed: its rows ask for the old name, which is made anew. What they gave is not the renamed role's any more.
func TestRenameGrantee(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, renamed := f.user(t, "alice"), f.Role("renamed")
	f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "s%", match: "like"})
	f.pending(t)
	f.can(t, alice, "select from app.sales")
	f.Exec(t, "alter role "+alice+" rename to "+renamed)
	f.rescan(t)
	// An intermediate role has exactly the members that rows give it.
	f.cannot(t, renamed, "select from app.sales")
	f.quiet(t)
}

// After a swap nobody keeps the ownership of the table that no longer bears the name of the OWNER row.
func TestRenameOwned(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	id := f.insert(t, alice, "OWNER", "table", "app", "sales")
	f.pending(t)
	f.can(t, alice, "drop table app.sales")
	f.asOwner(t, "reset role; alter table app.sales rename to sales_old; set role "+f.Owner+"; create table app.sales (id int)")
	f.rescan(t)
	f.can(t, alice, "drop table app.sales")
	f.cannot(t, alice, "drop table app.sales_old")
	f.quiet(t)
	f.delete(t, id)
	f.pending(t)
	f.cannot(t, alice, "drop table app.sales")
	f.cannot(t, alice, "drop table app.sales_old")
	f.quiet(t)
}
