package reconcile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// acl returns how many entries a table's ACL has.
func (f *fixture) acl(t *testing.T, table string) int {
	t.Helper()
	return pgtest.One[int](t, f.super, "select coalesce(cardinality(relacl), 0) from pg_class where oid = $1::text::regclass", table)
}

// From MaxDirectGrantees entries on, exact names go through an intermediate role; everybody has access, and loses it with the row.
func TestEncodingOverflow(t *testing.T) {
	t.Parallel()
	for _, together := range []bool{true, false} {
		t.Run(fmt.Sprintf("together %t", together), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.engine = f.engineWith(t, plan.Policy{MaxDirectGrantees: 5, PruneEmptyAfterSecs: 3600})
			neighbour := f.user(t, "neighbour")
			f.asOwner(t, "grant select on app.costs to "+neighbour)
			users := make([]string, 12)
			for i := range users {
				users[i] = f.Role(fmt.Sprintf("user%02d", i))
				f.write(t, "insert into sync_roles.desired_roles (role_name, login) values ($1, true)", users[i])
				f.insert(t, users[i], "CONNECT", "database", "", f.Database)
				f.insert(t, users[i], "SELECT", "table", "app", "sales")
				if !together {
					f.pending(t)
				}
			}
			f.pending(t)
			for _, u := range users {
				f.can(t, u, "select from app.sales")
				f.cannot(t, u, "select from app.costs")
				f.outcome(t, u, plan.Applied)
			}
			// At most five entries, and that of the intermediate role.
			if n := f.acl(t, "app.sales"); n > 6 {
				t.Errorf("the table's ACL has %d entries, want at most 6", n)
			}
			if n := pgtest.One[int](t, f.super, "select cardinality(datacl) from pg_database where datname = current_database()"); n > 8 {
				t.Errorf("the database's ACL has %d entries", n)
			}
			f.quiet(t)

			// One that goes takes nobody along, be it direct or not.
			f.write(t, "delete from sync_roles.desired_grants where role_name = any ($1) and object_name = 'sales'", []string{users[0], users[11]})
			f.pending(t)
			for i, u := range users {
				if i == 0 || i == 11 {
					f.cannot(t, u, "select from app.sales")
					f.can(t, u, "select 1")
				} else {
					f.can(t, u, "select from app.sales")
				}
			}
			f.quiet(t)

			f.write(t, "delete from sync_roles.desired_grants")
			f.pending(t)
			for _, u := range users {
				f.cannot(t, u, "select 1")
			}
			f.can(t, neighbour, "select from app.costs")
			f.quiet(t)
			f.noIntermediates(t)
		})
	}
}

// A change of direct by UPDATE is carried out, with access all the while; back to null changes nothing.
func TestEncodingChange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		row  row
		try  string
	}{
		{"table", row{privilege: "SELECT", objectType: "table", schema: "app", name: "sales"}, "select from app.sales"},
		{"ALL on table", row{privilege: "ALL", objectType: "table", schema: "app", name: "sales"}, "select from app.sales"},
		{"pattern", row{privilege: "SELECT", objectType: "table", schema: "app", name: "s%", match: "like"}, "select from app.sales"},
		{"column", row{privilege: "SELECT", objectType: "table", schema: "app", name: "sales", column: "id"}, "select id from app.sales"},
		{"schema", row{privilege: "CREATE", objectType: "schema", name: "app"}, "create table app.mine (id int)"},
		{"database", row{privilege: "CREATE", objectType: "database", name: ""}, "create schema mine"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			r := c.row
			if r.objectType == "database" {
				r.name = f.Database
			}
			r.direct = ptr(true)
			var ids []int64
			for _, role := range []string{alice, bob} {
				ids = append(ids, f.add(t, r.of(role)))
			}
			f.pending(t)
			session := f.Connect(t, alice)
			for _, direct := range []bool{false, true, false} {
				f.write(t, "update sync_roles.desired_grants set direct = $2 where id = $1", ids[0], direct)
				f.pending(t)
				f.can(t, alice, c.try)
				f.can(t, bob, c.try)
				f.encoded(t, ids[0], &direct, r.match)
				f.encoded(t, ids[1], ptr(true), r.match)
				f.outcome(t, alice, plan.Applied)
				f.quiet(t)
				f.write(t, "update sync_roles.desired_grants set direct = null where id = $1", ids[0])
				f.pending(t)
				f.can(t, alice, c.try)
				f.encoded(t, ids[0], &direct, r.match)
				f.quiet(t)
				// In an open session, too.
				if _, err := session.Exec(t.Context(), "begin; "+c.try+"; rollback"); err != nil {
					t.Errorf("in an open session: %v", err)
				}
			}
			f.delete(t, ids[0])
			f.pending(t)
			f.cannot(t, alice, c.try)
			f.can(t, bob, c.try)
			f.quiet(t)
			f.delete(t, ids[1])
			f.pending(t)
			f.cannot(t, bob, c.try)
			f.noIntermediates(t)
		})
	}
}

// Access is never interrupted by a change of encoding: the old way goes in the same transaction as the new one comes.
func TestEncodingChangeIsOneTransaction(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	id := f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", direct: ptr(true)})
	f.pending(t)
	f.write(t, "update sync_roles.desired_grants set direct = false where id = $1", id)
	report := f.pending(t)
	joined, revoked := -1, -1
	for i, s := range report.Statements {
		if strings.Contains(s, "GRANT \"_pgsr_") && strings.Contains(s, alice) {
			joined = i
		}
		if strings.Contains(s, "REVOKE SELECT") && strings.Contains(s, alice) {
			revoked = i
		}
	}
	if joined < 0 || revoked < joined {
		t.Errorf("membership at %d, revoke at %d, in %q", joined, revoked, report.Statements)
	}
	f.can(t, alice, "select from app.sales")
}

// Where rows of one role overlap, deleting one keeps what the others ask for.
func TestEncodingOverlap(t *testing.T) {
	t.Parallel()
	exact := row{privilege: "SELECT", objectType: "table", schema: "app", name: "sales"}
	like := row{privilege: "SELECT", objectType: "table", schema: "app", name: "sal%", match: "like"}
	regex := row{privilege: "SELECT", objectType: "table", schema: "app", name: "sa.+", match: "regex"}
	all := row{privilege: "ALL", objectType: "table", schema: "app", name: "sales"}
	allLike := row{privilege: "ALL", objectType: "table", schema: "app", name: "s%", match: "like"}
	pairs := map[string][2]row{
		"exact and like": {exact, like}, "like and regex": {like, regex}, "ALL and SELECT": {all, exact},
		"ALL and like": {all, like}, "ALL like and exact": {allLike, exact}, "ALL like and ALL": {allLike, all},
	}
	for name, pair := range pairs {
		for encoding, directs := range map[string][2]*bool{
			"null, null": {nil, nil}, "true, true": {ptr(true), ptr(true)}, "false, false": {ptr(false), ptr(false)}, "true, false": {ptr(true), ptr(false)}, "false, true": {ptr(false), ptr(true)},
		} {
			for first := range 2 {
				t.Run(fmt.Sprintf("%s/direct %s/delete %d first", name, encoding, first), func(t *testing.T) {
					t.Parallel()
					f := newFixture(t)
					alice, bob := f.user(t, "alice"), f.user(t, "bob")
					var ids [2]int64
					for i, r := range pair {
						r.role, r.direct = alice, directs[i]
						ids[i] = f.add(t, r)
					}
					f.add(t, row{role: bob, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", direct: ptr(true)})
					f.pending(t)
					f.can(t, alice, "select from app.sales")
					f.quiet(t)
					f.delete(t, ids[first])
					f.pending(t)
					f.can(t, alice, "select from app.sales")
					if left := pair[1-first]; left.privilege == "ALL" {
						f.can(t, alice, "delete from app.sales")
					} else {
						f.cannot(t, alice, "delete from app.sales")
					}
					f.encoded(t, ids[1-first], f.encodingOf(t, ids[1-first], directs[1-first]), "exact")
					f.quiet(t)
					f.delete(t, ids[1-first])
					f.pending(t)
					f.cannot(t, alice, "select from app.sales")
					f.cannot(t, alice, "delete from app.sales")
					f.can(t, bob, "select from app.sales")
					f.quiet(t)
					f.noIntermediates(t)
				})
			}
		}
	}
}

// encodingOf is what encoded expects: for null, whatever the engine has.
func (f *fixture) encodingOf(t *testing.T, id int64, direct *bool) *bool {
	t.Helper()
	if direct != nil {
		return direct
	}
	encoding := pgtest.One[string](t, f.daemon, "select coalesce(encoding, 'none') from sync_roles.grant_status where id = $1", id)
	return ptr(encoding == "direct")
}

// A column's grant and the table's are apart: deleting one leaves the other.
func TestEncodingColumnAndTable(t *testing.T) {
	t.Parallel()
	for encoding, direct := range map[string]*bool{"null": nil, "true": ptr(true), "false": ptr(false)} {
		for _, tableFirst := range []bool{true, false} {
			t.Run(fmt.Sprintf("direct %s/table first %t", encoding, tableFirst), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				alice := f.user(t, "alice")
				table := f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", direct: direct})
				column := f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", column: "id", direct: direct})
				f.pending(t)
				f.can(t, alice, "select * from app.sales")
				f.quiet(t)
				if tableFirst {
					f.delete(t, table)
					f.pending(t)
					f.can(t, alice, "select id from app.sales")
					f.cannot(t, alice, "select * from app.sales")
					f.quiet(t)
					f.delete(t, column)
				} else {
					f.delete(t, column)
					f.pending(t)
					f.can(t, alice, "select * from app.sales")
					f.quiet(t)
					f.delete(t, table)
				}
				f.pending(t)
				f.cannot(t, alice, "select id from app.sales")
				f.quiet(t)
			})
		}
	}
}

// UPDATE of the grantee, the object or the privilege: the old loses, the new gets.
func TestEncodingUpdateOfSelector(t *testing.T) {
	t.Parallel()
	for encoding, direct := range map[string]*bool{"null": nil, "true": ptr(true), "false": ptr(false)} {
		t.Run("direct "+encoding, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			alice, bob, carol := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "carol")
			id := f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", direct: direct})
			f.add(t, row{role: carol, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", direct: direct})
			f.pending(t)
			f.write(t, "update sync_roles.desired_grants set role_name = $2 where id = $1", id, bob)
			f.pending(t)
			f.cannot(t, alice, "select from app.sales")
			f.can(t, bob, "select from app.sales")
			f.can(t, carol, "select from app.sales")
			f.quiet(t)
			f.write(t, "update sync_roles.desired_grants set object_name = 'costs' where id = $1", id)
			f.pending(t)
			f.cannot(t, bob, "select from app.sales")
			f.can(t, bob, "select from app.costs")
			f.can(t, carol, "select from app.sales")
			f.quiet(t)
			f.write(t, "update sync_roles.desired_grants set privilege = 'DELETE' where id = $1", id)
			f.pending(t)
			f.cannot(t, bob, "select from app.costs")
			f.can(t, bob, "delete from app.costs")
			f.quiet(t)
			f.write(t, "update sync_roles.desired_grants set name_match = 'like', object_name = '%' where id = $1", id)
			f.pending(t)
			f.can(t, bob, "delete from app.costs")
			f.can(t, bob, "delete from app.sales")
			f.can(t, carol, "select from app.sales")
			f.quiet(t)
			f.loses(t, bob, "delete from app.costs", id)
		})
	}
}

// TRUNCATE takes all away that rows gave, in each encoding, and nothing else.
func TestEncodingTruncate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	f.asOwner(t, "grant insert on app.sales to "+alice)
	f.asOwner(t, "grant select on app.sales to "+bob)
	f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", direct: ptr(true)})
	f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "c%", match: "like"})
	f.add(t, row{role: alice, privilege: "CREATE", objectType: "schema", name: "app", direct: ptr(false)})
	f.insert(t, alice, "OWNER", "table", "app", "costs")
	f.insert(t, alice, "MEMBER", "role", "", f.Role("team"))
	f.pending(t)
	if got := f.last(t, alice); got.Outcome != "applied" {
		t.Fatal(got)
	}
	f.can(t, alice, "select from app.sales")
	f.can(t, alice, "create table app.mine (id int)")
	f.can(t, alice, "set role "+f.Role("team"))
	f.can(t, alice, "drop table app.costs")
	f.quiet(t)
	f.write(t, "truncate sync_roles.desired_grants")
	f.pending(t)
	f.cannot(t, alice, "select from app.sales")
	f.cannot(t, alice, "select from app.costs")
	f.cannot(t, alice, "drop table app.costs")
	f.cannot(t, alice, "create table app.mine (id int)")
	f.cannot(t, alice, "set role "+f.Role("team"))
	f.can(t, alice, "insert into app.sales values (1)")
	f.can(t, bob, "select from app.sales")
	f.quiet(t)
	f.noIntermediates(t)
}

// Deleting a row and inserting it again before anybody looked changes nothing.
func TestEncodingDeleteAndInsertAgain(t *testing.T) {
	t.Parallel()
	for encoding, direct := range map[string]*bool{"null": nil, "true": ptr(true), "false": ptr(false)} {
		t.Run("direct "+encoding, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			alice := f.user(t, "alice")
			r := row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", direct: direct}
			id := f.add(t, r)
			f.pending(t)
			f.delete(t, id)
			id = f.add(t, r)
			f.pending(t)
			f.outcome(t, alice, plan.Unchanged)
			f.can(t, alice, "select from app.sales")
			f.quiet(t)
			f.loses(t, alice, "select from app.sales", id)
		})
	}
}

// A REVOKE on the table takes the privileges on its columns along, which a pattern asks for: they come back in the same pass, through an intermediate
// role that is made for it.
func TestEncodingColumnLostWithTheTable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	f.asOwner(t, "create table app.sums (id int); grant select (id) on app.sales, app.sums to "+alice)
	f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "s(ale|um)s", match: "regex", column: "id"})
	id := f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.can(t, alice, "select amount from app.sales")
	f.delete(t, id)
	f.pending(t)
	f.cannot(t, alice, "select amount from app.sales")
	f.can(t, alice, "select id from app.sales")
	f.can(t, alice, "select id from app.sums")
	f.inOrder(t, alice)
	f.quiet(t)
}
