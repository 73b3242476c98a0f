package reconcile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// owned makes a schema and a table in it, of these owners, which only they may use.
func (f *fixture) owned(t *testing.T, schemaOwner, tableOwner string) {
	t.Helper()
	f.Exec(t, fmt.Sprintf("create schema inner_; alter schema inner_ owner to %s; create table inner_.t (id int); alter table inner_.t owner to %s",
		quote(schemaOwner), quote(tableOwner)))
}

// administered makes a role over which the daemon has ADMIN, and of which it is no member.
func (f *fixture) administered(t *testing.T, name string) string {
	t.Helper()
	role := f.role(t, name, "")
	f.manageable(t, role)
	return role
}

// A schema's owner lends the daemon USAGE as a table's owner lends it the rest, for granting and for revoking, and nothing is left of it.
func TestBorrowFromTheOwnerOfTheSchema(t *testing.T) {
	t.Parallel()
	for name, tableOwner := range map[string]func(t *testing.T, f *fixture) string{
		"of which it is a member": func(_ *testing.T, f *fixture) string { return f.Owner },
		"over which it has ADMIN": func(t *testing.T, f *fixture) string {
			t.Helper()
			return f.administered(t, "tables")
		},
		"which owns the schema too": func(_ *testing.T, f *fixture) string { return f.Role("schemas") },
		"which is the daemon":       func(_ *testing.T, f *fixture) string { return f.Daemon },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			schemaOwner := f.administered(t, "schemas")
			f.owned(t, schemaOwner, tableOwner(t, f))
			f.Exec(t, fmt.Sprintf("grant usage on schema inner_ to %s, %s; grant update on inner_.t to %[2]s", alice, bob))
			memberships := func() string {
				return strings.Join(f.texts(t, "select m::text from sync_roles.memberships as m where member_oid = to_regrole($1) order by 1", f.Daemon), "; ")
			}
			before := memberships()
			id := f.insert(t, alice, "SELECT", "table", "inner_", "t")
			pattern := f.add(t, row{role: alice, privilege: "INSERT", objectType: "table", schema: "inner_", name: "%", match: "like", direct: ptr(true)})
			f.pending(t)
			f.outcome(t, alice, plan.Applied)
			f.can(t, alice, "select from inner_.t")
			f.can(t, alice, "insert into inner_.t values (1)")
			f.quiet(t)
			f.loses(t, alice, "select from inner_.t", id)
			f.loses(t, alice, "insert into inner_.t values (1)", pattern)
			f.can(t, bob, "update inner_.t set id = 1")
			owning := f.insert(t, alice, "OWNER", "table", "inner_", "t")
			f.pending(t)
			f.owns(t, alice, "inner_.t")
			f.delete(t, owning)
			f.pending(t)
			f.owns(t, f.Daemon, "inner_.t")
			f.quiet(t)
			if after := memberships(); after != before {
				t.Errorf("the daemon's memberships are %s, were %s", after, before)
			}
		})
	}
}
