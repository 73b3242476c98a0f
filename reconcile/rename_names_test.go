package reconcile_test

import (
	"fmt"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// Names can be lost in more ways than by renaming a table: whoever has no row for what an object is called now has no access to it, and whoever has
// one has it.
func TestNamesLost(t *testing.T) {
	t.Parallel()
	routine := func(name, match string) row {
		return row{privilege: "EXECUTE", objectType: "routine", schema: "app", name: name, match: match}
	}
	column := func(name, match string, direct *bool) row {
		return row{privilege: "SELECT", objectType: "table", schema: "app", name: name, match: match, column: "amount", direct: direct}
	}
	const (
		call   = "select app.total(1)"
		called = "select app.sum_up(1)"
		read   = "select amount from app.sales"
	)
	const functions = `
		create domain app.count as int;
		create function app.total(int) returns int language sql return 1;
		revoke execute on function app.total(int) from public`
	for name, c := range map[string]struct {
		row         row
		setUp       string
		had, has    string // what the role can do before, and would do after
		rename      string
		successor   string
		under, back string // what it can do by the successor, and what undoes the renaming
	}{
		"signature": {
			routine("total(integer)", ""), functions, call, called,
			"alter function app.total(int) rename to sum_up", "create function app.total(int) returns int language sql return 1; revoke execute on function app.total(int) from public", call,
			"alter function app.sum_up(int) rename to total",
		},
		"bare name": {
			routine("total", ""), functions, call, called,
			"alter function app.total(int) rename to sum_up", "create function app.total(int) returns int language sql return 1; revoke execute on function app.total(int) from public", call,
			"alter function app.sum_up(int) rename to total",
		},
		"like, routine": {
			routine("tot%", "like"), functions, call, called,
			"alter function app.total(int) rename to sum_up", "create function app.total(int) returns int language sql return 1; revoke execute on function app.total(int) from public", call,
			"alter function app.sum_up(int) rename to total",
		},
		"signature, by an argument's type": {
			routine("total(app.count)", ""), functions + "; create function app.total(app.count) returns int language sql return 1; revoke execute on function app.total(app.count) from public",
			"select app.total(1::app.count)", "select app.total(1::app.number)",
			"alter domain app.count rename to number", "create domain app.count as int; create function app.total(app.count) returns int language sql return 1; revoke execute on function app.total(app.count) from public",
			"select app.total(1::app.count)",
			"alter domain app.number rename to count",
		},
		"signature, schema": {
			routine("total(integer)", ""), functions, call, "select app_old.total(1)",
			"alter schema app rename to app_old", "create schema app; grant usage on schema app to public; create function app.total(int) returns int language sql return 1; revoke execute on function app.total(int) from public", call,
			"alter schema app_old rename to app",
		},
		"column": {
			column("sales", "", nil), "", read, "select total from app.sales",
			"alter table app.sales rename amount to total", "alter table app.sales add amount int", read,
			"alter table app.sales rename total to amount",
		},
		"column, intermediate": {
			column("sales", "", ptr(false)), "", read, "select total from app.sales",
			"alter table app.sales rename amount to total", "alter table app.sales add amount int", read,
			"alter table app.sales rename total to amount",
		},
		"column, like": {
			column("sal%", "like", nil), "", read, "select total from app.sales",
			"alter table app.sales rename amount to total", "alter table app.sales add amount int", read,
			"alter table app.sales rename total to amount",
		},
		"column, like, direct": {
			column("sal%", "like", ptr(true)), "", read, "select total from app.sales",
			"alter table app.sales rename amount to total", "alter table app.sales add amount int", read,
			"alter table app.sales rename total to amount",
		},
		"column, and its table": {
			column("sales", "", nil), "", read, "select total from app.old",
			"alter table app.sales rename amount to total; alter table app.sales rename to old", "create table app.sales (amount int)", read,
			"alter table app.old rename to sales; alter table app.sales rename total to amount",
		},
		"column, and its schema": {
			column("sales", "", nil), "", read, "select total from app_old.sales",
			"alter table app.sales rename amount to total; alter schema app rename to app_old", "create schema app; grant usage on schema app to public; create table app.sales (amount int)", read,
			"alter schema app_old rename to app; alter table app.sales rename total to amount",
		},
	} {
		for _, end := range []string{"rescan", "delete", "expire", "successor", "back"} {
			t.Run(name+"/"+end, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				alice, bob, carol := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "carol")
				f.asOwner(t, c.setUp)
				ids := []int64{f.add(t, c.row.of(alice)), f.add(t, c.row.of(bob))}
				f.Exec(t, "set role "+f.Owner+"; grant select on app.costs to "+carol)
				f.pending(t)
				f.can(t, alice, c.had)
				f.cannot(t, carol, c.had)
				f.asOwner(t, c.rename)
				switch end {
				case "rescan":
					f.rescan(t)
					f.cannot(t, alice, c.has)
					f.outcome(t, alice, plan.Waiting)
				case "delete":
					f.delete(t, ids[0])
					f.pending(t)
					f.cannot(t, alice, c.has)
					f.rescan(t)
				case "expire":
					f.write(t, "update sync_roles.desired_grants set expires_at = now() - interval '1 s' where id = $1", ids[0])
					if _, err := f.engine.ServeExpired(t.Context()); err != nil {
						t.Fatal(err)
					}
					f.cannot(t, alice, c.has)
					f.rescan(t)
				case "successor":
					f.asOwner(t, c.successor)
					f.rescan(t)
					f.cannot(t, alice, c.has)
					f.can(t, alice, c.under)
					f.inOrder(t, alice)
				case "back":
					f.rescan(t)
					f.cannot(t, alice, c.has)
					f.asOwner(t, c.back)
					f.rescan(t)
					f.can(t, alice, c.had)
					f.inOrder(t, alice)
				}
				there := []string{c.has}
				switch end {
				case "successor":
					there = append(there, c.under)
				case "back":
					there = []string{c.had}
				}
				if end != "back" {
					f.cannot(t, bob, c.has)
				}
				f.quiet(t)
				f.delete(t, ids...)
				f.pending(t)
				for _, sql := range there {
					f.cannot(t, alice, sql)
					f.cannot(t, bob, sql)
				}
				f.quiet(t)
				f.noIntermediates(t)
			})
		}
	}
}

// Ownership by a signature goes with the name too.
func TestNamesLostByOwners(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"total(integer)", "total", "t%"} {
		for _, end := range []string{"rescan", "delete", "expire"} {
			t.Run(name+"/"+end, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				alice := f.user(t, "alice")
				f.asOwner(t, "create function app.total(int) returns int language sql return 1")
				match := "exact"
				if name == "t%" {
					match = "like"
				}
				owner := func(t *testing.T, want, function string) {
					t.Helper()
					if got := pgtest.One[string](t, f.super, "select proowner::regrole::text from pg_proc where oid = $1::regprocedure", function); got != want {
						t.Errorf("%s belongs to %s, want %s", function, got, want)
					}
				}
				id := f.add(t, row{role: alice, privilege: "OWNER", objectType: "routine", schema: "app", name: name, match: match})
				f.pending(t)
				owner(t, alice, "app.total(integer)")
				f.Exec(t, "alter function app.total(int) rename to sum_up")
				switch end {
				case "delete":
					f.delete(t, id)
					f.pending(t)
				case "expire":
					f.write(t, "update sync_roles.desired_grants set expires_at = now() - interval '1 s'")
					if _, err := f.engine.ServeExpired(t.Context()); err != nil {
						t.Fatal(err)
					}
				default:
					f.rescan(t)
				}
				owner(t, f.Daemon, "app.sum_up(integer)")
				f.quiet(t)
			})
		}
	}
}

// What many objects lose with their names counts against the limits, on the objects themselves and through intermediate roles; where others bear the
// names, it is a swap and counts as nothing.
func TestNamesLostAreLimited(t *testing.T) {
	t.Parallel()
	for _, direct := range []*bool{ptr(true), ptr(false)} {
		for _, match := range []string{"exact", "like"} {
			for _, swap := range []bool{false, true} {
				t.Run(fmt.Sprintf("direct %t %s swap %t", *direct, match, swap), func(t *testing.T) {
					t.Parallel()
					f := newFixture(t)
					alice, bob := f.user(t, "alice"), f.user(t, "bob")
					const tables = `do $$ begin for i in 1..12 loop execute 'create table app.t' || i || ' (id int)'; end loop; end $$`
					f.asOwner(t, tables)
					if match == "like" {
						f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "t%", match: "like", direct: direct})
					} else {
						f.write(t, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, direct)
							select $1, 'SELECT', 'table', 'app', 't' || i, $2 from generate_series(1, 12) as i`, alice, direct)
					}
					f.insert(t, bob, "SELECT", "table", "app", "costs")
					f.engine = f.engineWith(t, plan.Policy{MaxDirectGrantees: 500, Limit: plan.Limit{Revokes: 10, Percent: 25}})
					f.pending(t)
					f.can(t, alice, "select from app.t7")
					f.asOwner(t, "alter schema app rename to app_v1")
					if swap {
						f.asOwner(t, "create schema app; grant usage on schema app to public; create table app.costs (id int); "+tables)
					}
					f.rescan(t)
					if swap {
						f.cannot(t, alice, "select from app_v1.t7")
						f.can(t, alice, "select from app.t7")
						f.inOrder(t, alice)
						f.quiet(t)
						return
					}
					f.can(t, alice, "select from app_v1.t7")
					if held := f.texts(t, "select role_name from sync_roles.held"); len(held) == 0 {
						t.Error("nothing is held")
					}
					f.quiet(t)
					f.approve(t)
					f.approve(t)
					f.sync(t)
					f.cannot(t, alice, "select from app_v1.t7")
					f.cannot(t, bob, "select from app_v1.costs")
					f.quiet(t)
				})
			}
		}
	}
}
