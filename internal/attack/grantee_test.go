package attack_test

import (
	"fmt"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// What a grantee has passed on ends with what it was given: by DELETE, by expiry, by revoke_other, and where only the grant option goes. It is
// counted and named in the audit. A role of which a row asks for it keeps it, and so does a neighbour who has it from the owner.
func TestWhatAGranteePassedOnEndsToo(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]string{
		"delete":       "delete from sync_roles.desired_grants where role_name = '%s'",
		"expiry":       "update sync_roles.desired_grants set expires_at = now() where role_name = '%s'",
		"grant option": "update sync_roles.desired_grants set grantable = false where role_name = '%s'",
		"column":       "delete from sync_roles.desired_grants where role_name = '%s'",
		"revoke_other": "insert into sync_roles.desired_roles (role_name, revoke_other) values ('%s', '{tables}')",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := installed(t)
			bob, friend, second, asked, neighbour := f.user(t, "bob"), f.user(t, "friend"), f.user(t, "second"), f.user(t, "asked"), f.user(t, "neighbour")
			column, what, read := "null", "select", "select from sales.orders"
			if name == "column" {
				column, what, read = "'price'", "select (price)", "select price from sales.orders"
			}
			row := "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, column_name, grantable) values ('%s', 'SELECT', 'table', 'sales', 'orders', " + column + ", %t)"
			if name == "revoke_other" {
				f.Exec(t, fmt.Sprintf("set role %s; grant select on sales.orders to %s with grant option", f.Owner, bob))
			} else {
				f.run(t, f.Daemon, fmt.Sprintf(row, bob, true))
			}
			f.call(t, "sync").want(t, 0)
			f.run(t, bob, fmt.Sprintf("grant %s on sales.orders to %s with grant option; grant %[1]s on sales.orders to %s", what, friend, asked))
			f.run(t, friend, fmt.Sprintf("grant %s on sales.orders to %s, public", what, second))
			f.Exec(t, fmt.Sprintf("set role %s; grant %s on sales.orders to %s", f.Owner, what, neighbour))
			f.run(t, f.Daemon, fmt.Sprintf(row, asked, false))
			f.call(t, "sync").want(t, 0)

			f.run(t, f.Daemon, fmt.Sprintf(end, bob))
			f.call(t, "sync").want(t, 0)
			for role, want := range map[string]bool{bob: name == "grant option", friend: false, second: false, f.anylogin: false, asked: true, neighbour: true} {
				if f.Can(t, role, read) != want {
					t.Errorf("%s can read: %t, want %t", role, !want, want)
				}
			}
			super := f.Superuser(t)
			for _, role := range []string{bob, friend, second, "public"} {
				if n := pgtest.One[int](t, super, "select coalesce(sum(revoked), 0)::int from sync_roles.audit where role_name = $1", role); n != 1 {
					t.Errorf("the audit says that %s lost %d", role, n)
				}
			}
			if n := pgtest.One[int](t, super, "select coalesce(sum(revoked), 0)::int from sync_roles.audit where role_name = $1", asked); n != 0 {
				t.Errorf("the audit says that %s lost %d", asked, n)
			}
			f.call(t, "plan").want(t, 0) // a second pass changes nothing
		})
	}
}

// The same for memberships that were passed on by the ADMIN option.
func TestMembershipsThatWerePassedOnEndToo(t *testing.T) {
	t.Parallel()
	f := installed(t)
	team := f.user(t, "team")
	bob, friend, second, asked, neighbour := f.user(t, "bob"), f.user(t, "friend"), f.user(t, "second"), f.user(t, "asked"), f.user(t, "neighbour")
	f.Exec(t, fmt.Sprintf("set role %s; grant select on sales.orders to %s", f.Owner, team))
	row := "insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name, grantable) values ('%s', 'MEMBER', 'role', '%s', %t)"
	f.run(t, f.Daemon, fmt.Sprintf(row, bob, team, true))
	f.call(t, "sync").want(t, 0)
	f.run(t, bob, fmt.Sprintf("grant %s to %s with admin option; grant %[1]s to %s", team, friend, asked))
	f.run(t, friend, fmt.Sprintf("grant %s to %s", team, second))
	f.Exec(t, fmt.Sprintf("grant %s to %s", team, neighbour))
	f.run(t, f.Daemon, fmt.Sprintf(row, asked, team, false))
	f.call(t, "sync").want(t, 0)

	f.run(t, f.Daemon, fmt.Sprintf("delete from sync_roles.desired_grants where role_name = '%s'", bob))
	f.call(t, "sync").want(t, 0)
	for role, want := range map[string]bool{bob: false, friend: false, second: false, asked: true, neighbour: true} {
		if f.Can(t, role, "select from sales.orders") != want {
			t.Errorf("%s can read: %t, want %t", role, !want, want)
		}
	}
	if n := pgtest.One[int](t, f.Superuser(t), "select sum(revoked)::int from sync_roles.audit where role_name = any ($1)", []string{bob, friend, second}); n != 3 {
		t.Errorf("the audit names %d losses, want 3", n)
	}
	f.call(t, "plan").want(t, 0)
}
