package reconcile_test

import (
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// state writes a role's state as the daemon role.
func (f *fixture) state(t *testing.T, role, state string) {
	t.Helper()
	f.write(t, "insert into sync_roles.desired_roles (role_name, state) values ($1, $2) on conflict (role_name) do update set state = excluded.state", role, state)
}

// A suspended role cannot log in, and its sessions end; all else stays, and comes back with it.
func TestSuspend(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.pending(t)
	session, neighbour := f.Connect(t, alice), f.Connect(t, bob)
	f.state(t, alice, "suspended")
	f.pending(t)
	f.ended(t, alice, session)
	f.is(t, false, "rolcanlogin from pg_roles where rolname = $1", alice)
	f.is(t, true, "has_table_privilege($1, 'app.sales', 'select')", alice)
	if !alive(t, neighbour) {
		t.Error("another role's session has ended")
	}
	if state := pgtest.One[string](t, f.daemon, "select state || ' ' || status from sync_roles.role_status where role_name = $1", alice); state != "suspended in_sync" {
		t.Errorf("the role is %s, want suspended in_sync", state)
	}
	f.quiet(t)

	// By hand it does not come back.
	f.Exec(t, "alter role "+quote(alice)+" login")
	f.rescan(t)
	f.is(t, false, "rolcanlogin from pg_roles where rolname = $1", alice)
	f.quiet(t)

	f.state(t, alice, "active")
	f.pending(t)
	f.can(t, alice, "select from app.sales")
	if n := pgtest.One[int](t, f.daemon, "select count(*) from sync_roles.suspended_roles"); n != 0 {
		t.Errorf("%d rows of suspended_roles are left", n)
	}
	f.quiet(t)
}

// Who had no LOGIN before has none after; and what a row says of LOGIN holds.
func TestSuspendBringsBackWhatWas(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	group, told, gone := f.role(t, "team", "nologin"), f.user(t, "told"), f.user(t, "gone")
	f.state(t, group, "suspended")
	f.state(t, told, "suspended")
	f.state(t, gone, "suspended")
	f.pending(t)
	f.is(t, false, "rolcanlogin from pg_roles where rolname = $1", told)
	f.write(t, "update sync_roles.desired_roles set state = 'active', login = false where role_name = $1", told)
	f.state(t, group, "active")
	f.write(t, "delete from sync_roles.desired_roles where role_name = $1", gone) // leaves the attributes as they are
	f.pending(t)
	f.is(t, false, "bool_or(rolcanlogin) from pg_roles where rolname in ($1, $2, $3)", group, told, gone)
	f.write(t, "update sync_roles.desired_roles set login = null where role_name = $1", told)
	f.state(t, gone, "active")
	f.pending(t)
	f.is(t, false, "bool_or(rolcanlogin) from pg_roles where rolname in ($1, $2, $3)", group, told, gone)
	f.quiet(t)
}

// A suspended role that does not exist is made, without LOGIN, and active it is as its row says.
func TestSuspendARoleThatIsMade(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.Role("x")
	f.write(t, "insert into sync_roles.desired_roles (role_name, login, state) values ($1, true, 'suspended')", x)
	f.pending(t)
	f.is(t, false, "rolcanlogin from pg_roles where rolname = $1", x)
	f.outcome(t, x, plan.Applied)
	f.quiet(t)
	f.state(t, x, "active")
	f.pending(t)
	f.is(t, true, "rolcanlogin from pg_roles where rolname = $1", x)
	f.quiet(t)
}
