package reconcile_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

const heldColumns = "concat_ws(' ', role_name, privilege, object_type, coalesce(schema_name, '-'), object_name, coalesce(column_name, '-'), grantable, coalesce(grantor, '-'), coalesce(via, '-'))"

// here leaves out what other tests do in databases of theirs.
const here = "(object_type <> 'database' or object_name = current_database())"

// snapshot is what actual_grants had at a moment.
type snapshot struct {
	at   time.Time
	held []string
}

// heldNow takes a snapshot of what these roles, by prefix, hold.
func (f *fixture) heldNow(t *testing.T) snapshot {
	t.Helper()
	return snapshot{
		at:   pgtest.One[time.Time](t, f.daemon, "select clock_timestamp()"),
		held: f.texts(t, "select distinct "+heldColumns+" as h from sync_roles.actual_grants where "+here+" order by h"),
	}
}

// asOf is what history says of a moment.
func (f *fixture) asOf(t *testing.T, at time.Time) []string {
	t.Helper()
	if others := f.texts(t, `
		with a as (select a::text from sync_roles.access_as_of($1) as a where role_name like '%a%'),
		b as (select b::text from sync_roles.access_as_of($1, array(select role_name from sync_roles.access_history where role_name like '%a%')) as b)
		(table a except all table b) union all (table b except all table a)`, at); len(others) > 0 {
		t.Errorf("as of %s, of some roles alone: %s", at, others)
	}
	return f.texts(t, "select distinct "+heldColumns+" as h from sync_roles.access_as_of($1) where "+here+" order by h", at)
}

// same compares a snapshot with what history says of its moment.
func (f *fixture) same(t *testing.T, what string, s snapshot) {
	t.Helper()
	now := f.asOf(t, s.at)
	for _, h := range s.held {
		if !slices.Contains(now, h) {
			t.Errorf("%s: history of %s lacks %s", what, s.at, h)
		}
	}
	for _, h := range now {
		if !slices.Contains(s.held, h) {
			t.Errorf("%s: history of %s has %s, which was not held", what, s.at, h)
		}
	}
}

// Whatever rows and hands do, history says of each moment what roles held then: at once what passes did, within one rescan what others did.
func TestHistoryTellsWhatWasHeld(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(uint64(seed), 1))
	var roles []string
	for i := range 4 {
		roles = append(roles, f.user(t, fmt.Sprintf("u%d", i)))
	}
	odd := f.user(t, `q"x Y`)
	roles = append(roles, odd)
	group := f.user(t, "group")
	f.asOwner(t, `create sequence app.numbers; create function app.total(int) returns int language sql as 'select 1';
		create table app.mart_a (id int, secret int); create table app.mart_b (id int); create table app."odd ""T"
		(id int)`)
	f.rescan(t)
	tables := []string{"sales", "costs", "mart_a", "mart_b", "later_0", "later_1"}
	one := func(list []string) string { return list[r.IntN(len(list))] }
	add := func(r row) { _, _ = f.tryAdd(t, r) } // it may be there already, or another be the owner
	actions := []func(){
		func() {
			add(row{role: one(roles), privilege: one([]string{"SELECT", "INSERT", "ALL", "UPDATE"}), objectType: "table", schema: "app", name: one(tables)})
		},
		func() {
			add(row{role: one(roles), privilege: "SELECT", objectType: "table", schema: "app", name: "mart_%", match: "like"})
		},
		func() {
			add(row{role: one(roles), privilege: "SELECT", objectType: "table", schema: "app", name: one(tables[:4]), column: "id"})
		},
		func() { add(row{role: one(roles), privilege: "MEMBER", objectType: "role", name: group}) },
		func() {
			add(row{role: one(roles), privilege: "EXECUTE", objectType: "routine", schema: "app", name: "total"})
		},
		func() {
			add(row{role: one(roles), privilege: "OWNER", objectType: "table", schema: "app", name: one(tables)})
		},
		func() {
			add(row{role: "public", privilege: "SELECT", objectType: "table", schema: "app", name: one(tables)})
		},
		func() {
			f.write(t, "delete from sync_roles.desired_grants where id in (select id from sync_roles.desired_grants order by random() limit 2)")
		},
		func() {
			f.write(t, "update sync_roles.desired_grants set grantable = not grantable where privilege = 'SELECT' and role_name <> 'public' and direct is null and name_match = 'exact' and role_name = $1", one(roles))
		},
		func() {
			f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{tables}') on conflict (role_name) do update set revoke_other = '{}'", one(roles))
		},
	}
	hands := []func(){
		func() { f.Exec(t, "grant update on app."+one(tables[:4])+" to "+quote(one(roles))) },
		func() { f.Exec(t, "revoke select on app."+one(tables[:4])+" from "+quote(one(roles))) },
		func() { f.Exec(t, "grant select (id) on app."+one(tables[:4])+" to "+quote(one(roles))) },
		func() { f.Exec(t, "revoke "+quote(group)+" from "+quote(one(roles))) },
		func() { f.asOwner(t, "create table if not exists app."+one(tables[4:])+" (id int)") },
		func() { f.Exec(t, "drop table if exists app."+one(tables[4:])) },
		func() {
			f.Exec(t, "alter table app.mart_a rename to swapped; alter table app.mart_b rename to mart_a; alter table app.swapped rename to mart_b")
		},
	}
	var all []snapshot
	for step := range 40 {
		for range 1 + r.IntN(4) {
			actions[r.IntN(len(actions))]()
		}
		if step%2 == 1 {
			hands[r.IntN(len(hands))]()
			f.rescan(t)
		}
		f.pending(t)
		f.pending(t) // former owners
		s := f.heldNow(t)
		f.same(t, fmt.Sprintf("step %d", step), s)
		all = append(all, s)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	f.rescan(t)
	for i, s := range all {
		f.same(t, fmt.Sprintf("afterwards, step %d", i), s)
	}
	// Derived periods do not overlap.
	if list := f.texts(t, `select concat_ws(' ', a.role_name, a.privilege, a.object_name, a.valid, b.valid)
		from sync_roles.access_periods as a join sync_roles.access_periods as b
			on (a.role_name, a.privilege, a.object_type, a.object_name, a.passes_on, a.grantable) = (b.role_name, b.privilege, b.object_type, b.object_name, b.passes_on, b.grantable)
			and a.schema_name is not distinct from b.schema_name and a.column_name is not distinct from b.column_name and a.grantor is not distinct from b.grantor
		where a.valid && b.valid and lower(a.valid) < lower(b.valid)`); len(list) > 0 {
		t.Errorf("periods overlap: %s", strings.Join(list, "; "))
	}
}
