package reconcile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// Only its grantor can revoke a privilege, also where that one may not use the schema any more: it has USAGE for the moment, if the daemon can give it
// that, and what others hold is untouched.
func TestLendTheGrantorUsage(t *testing.T) {
	t.Parallel()
	member := func(t *testing.T, f *fixture, role string) {
		t.Helper()
		f.Exec(t, fmt.Sprintf("grant %s to %s", role, f.Daemon))
	}
	admin := func(t *testing.T, f *fixture, role string) {
		t.Helper()
		f.manageable(t, role)
	}
	for name, s := range map[string]struct {
		grantor, schema func(t *testing.T, f *fixture, role string)
	}{
		"member of the grantor and of the schema's owner":    {member, member},
		"member of the grantor, ADMIN on the schema's owner": {member, admin},
		"ADMIN on the grantor, member of the schema's owner": {admin, member},
		"ADMIN on the grantor and on the schema's owner":     {admin, admin},
		"ADMIN on the grantor, grant option on the schema": {admin, func(t *testing.T, f *fixture, _ string) {
			t.Helper()
			f.Exec(t, "grant usage on schema inner_ to "+f.Daemon+" with grant option")
		}},
		"ADMIN on the grantor, the schema is the daemon's": {admin, func(t *testing.T, f *fixture, _ string) {
			t.Helper()
			f.Exec(t, "alter schema inner_ owner to "+f.Daemon)
		}},
		"superuser": {admin, func(t *testing.T, f *fixture, _ string) {
			t.Helper()
			f.superuserDaemon(t)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			x, neighbour, dependent := f.user(t, "x"), f.user(t, "neighbour"), f.user(t, "dependent")
			schemaOwner, tableOwner, g := f.Role("schemas"), f.Role("tables"), f.Role("g")
			f.Exec(t, fmt.Sprintf("create role %s; create role %s superuser; create role %s", schemaOwner, tableOwner, g))
			f.owned(t, schemaOwner, tableOwner)
			f.Exec(t, fmt.Sprintf(`
				grant usage on schema inner_ to %[1]s, %[2]s, %[3]s, %[4]s;
				create table inner_.other (id int, amount int);
				alter table inner_.other owner to %[5]s;
				grant select on inner_.t to %[4]s with grant option;
				grant select, insert on inner_.other to %[4]s with grant option;
				set role %[4]s;
				grant select on inner_.t to %[2]s;
				grant select on inner_.t to %[1]s with grant option;
				grant select, insert, select (amount) on inner_.other to %[1]s;
				set role %[1]s;
				grant select on inner_.t to %[3]s;
				reset role;
				revoke usage on schema inner_ from %[4]s`, x, neighbour, dependent, g, tableOwner))
			s.grantor(t, f, g)
			s.schema(t, f, schemaOwner)
			same, nothing := f.untouched(t, neighbour, g), f.nothingBorrowed(t)
			acl := func() string {
				return strings.Join(f.texts(t, "select a::text from pg_namespace as n, unnest(n.nspacl) as a where n.nspname = 'inner_' order by 1"), " ")
			}
			before := acl()
			first := f.insert(t, x, "SELECT", "table", "inner_", "t")
			second := f.add(t, row{role: x, privilege: "SELECT", objectType: "table", schema: "inner_", name: "othe_", match: "like", direct: ptr(true)})
			third := f.insert(t, x, "INSERT", "table", "inner_", "other")
			f.add(t, row{role: x, privilege: "SELECT", objectType: "table", schema: "inner_", name: "other", column: "amount"})
			f.pending(t)
			f.loses(t, x, "select from inner_.t", first)
			f.cannot(t, dependent, "select from inner_.t")
			f.loses(t, x, "select id from inner_.other", second)
			f.can(t, x, "select amount from inner_.other")
			f.loses(t, x, "insert into inner_.other values (1)", third)
			f.outcome(t, x, plan.Applied)
			f.can(t, neighbour, "select from inner_.t")
			if after := acl(); after != before {
				t.Errorf("the schema's ACL is %s, was %s", after, before)
			}
			nothing()
			same()
			f.quiet(t)
		})
	}
}
