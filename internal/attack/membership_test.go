package attack_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

func (f *field) askMember(t *testing.T, role, of string) {
	t.Helper()
	f.run(t, f.Daemon, fmt.Sprintf("insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name) values ('%s', 'MEMBER', 'role', '%s')", role, of))
}

func (f *field) status(t *testing.T, role string) string {
	t.Helper()
	return pgtest.One[string](t, f.Superuser(t), "select status from sync_roles.role_status where role_name = $1", role)
}

func (f *field) isMember(t *testing.T, role, of string) bool {
	t.Helper()
	return pgtest.One[bool](t, f.Superuser(t), "select exists (select from pg_auth_members where roleid = $1::regrole and member = $2::regrole)", of, role)
}

// A role that rows gave membership in becomes privileged, or comes to reach what is: the rows are refused from the next look on, and what they gave
// goes, also through chains; a neighbour's membership in another role stays, and what the daemon is told to allow.
func TestRolesThatBecomePrivilegedLoseTheirMembers(t *testing.T) {
	t.Parallel()
	for name, promote := range map[string]string{
		"predefined role": "grant pg_read_all_data to %s",
		"CREATEROLE":      "alter role %s createrole",
		"REPLICATION":     "alter role %s replication",
		"BYPASSRLS":       "alter role %s bypassrls",
		"superuser":       "alter role %s superuser",
		"a chain":         "create role %[1]s_up; grant pg_monitor to %[1]s_up; grant %[1]s_up to %[1]s",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := installed(t)
			alice, bob, team, plain := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "team"), f.user(t, "plain")
			f.askMember(t, alice, team)
			f.askMember(t, bob, plain)
			f.call(t, "sync").want(t, 0)
			f.Exec(t, fmt.Sprintf(promote, team))
			f.call(t, "sync", "--allow-membership-in", team).want(t, 0)
			if !f.isMember(t, alice, team) {
				t.Error("what the daemon is told to allow was revoked")
			}
			if name == "superuser" { // whose memberships PostgreSQL lets no one else touch
				f.call(t, "sync").want(t, 1)
				if f.status(t, alice) != "blocked" {
					t.Errorf("alice is %s", f.status(t, alice))
				}
				return
			}
			stop := f.start(t, "--rescan-interval", "1s")
			f.until(t, "select not exists (select from pg_auth_members where roleid = $1::regrole and member = $2::regrole)", team, alice)
			f.until(t, "select status = 'refused' from sync_roles.role_status where role_name = $1", alice)
			stop().want(t, 0)
			if !f.isMember(t, bob, plain) || f.status(t, bob) != "in_sync" {
				t.Error("the neighbour lost its membership")
			}
			r := f.call(t, "plan")
			r.want(t, 0) // nothing more to do
			if !strings.Contains(r.stdout, "refused") {
				t.Errorf("plan does not say that the row is refused:\n%s", r.stdout)
			}
		})
	}
}

// adopt writes no row that would be refused, and so none that revokes what it names.
func TestAdoptLeavesPrivilegedMembershipsAlone(t *testing.T) {
	t.Parallel()
	f := installed(t)
	alice, team := f.user(t, "alice"), f.user(t, "team")
	f.Exec(t, fmt.Sprintf("grant pg_monitor to %s; grant %[1]s to %s", team, alice))
	if r := f.call(t, "adopt", alice); !strings.Contains(r.stderr, team) {
		t.Errorf("adopt does not say what it leaves alone: %s", r.stderr)
	}
	f.call(t, "sync").want(t, 0)
	if !f.isMember(t, alice, team) {
		t.Error("the membership is gone")
	}
}

// The schema's owner is as protected as the daemon's role, where it is another.
func TestNoMembershipInTheOwnerOfTheSchema(t *testing.T) {
	t.Parallel()
	f := installed(t)
	alice, second := f.user(t, "alice"), f.Role("second")
	f.Exec(t, fmt.Sprintf("create role %[1]s login createrole; grant %[2]s to %[1]s; grant connect on database %[3]s to %[1]s", second, f.Daemon, f.Database))
	if f.Version >= 16 {
		f.Exec(t, fmt.Sprintf("grant _pgsr_lock to %[1]s with admin true, inherit false, set false; grant %[2]s to %[1]s with admin true", second, f.Daemon))
	}
	f.askMember(t, alice, f.Daemon)
	f.callAs(t, second, "sync").want(t, 1)
	if f.isMember(t, alice, f.Daemon) || f.status(t, alice) != "refused" {
		t.Errorf("alice is %s", f.status(t, alice))
	}
}

// Roles of managed services are neither managed nor given.
func TestRolesOfProvidersAreProtected(t *testing.T) {
	t.Parallel()
	f := installed(t)
	alice := f.user(t, "alice")
	for _, provider := range []string{"rds_superuser", "rdsadmin", "cloudsqlsuperuser", "azure_pg_admin", "supabase_admin", "neon_superuser", "doadmin", "alloydbsuperuser"} {
		f.Exec(t, "create role "+provider)
		defer f.Exec(t, "drop owned by "+provider+"; drop role "+provider)
		if f.Version >= 16 {
			f.Exec(t, fmt.Sprintf("grant %s to %s with admin true, inherit false, set false", provider, f.Daemon))
		}
		f.askMember(t, alice, provider)
		f.ask(t, provider, "orders")
	}
	f.call(t, "sync").want(t, 1)
	for _, provider := range []string{"rds_superuser", "rdsadmin", "cloudsqlsuperuser", "azure_pg_admin", "supabase_admin", "neon_superuser", "doadmin", "alloydbsuperuser"} {
		if f.isMember(t, alice, provider) {
			t.Errorf("alice is a member of %s", provider)
		}
		if f.status(t, provider) != "refused" || pgtest.One[bool](t, f.Superuser(t), "select has_table_privilege($1, 'sales.orders', 'SELECT')", provider) {
			t.Errorf("%s is managed", provider)
		}
	}
}

// Commands obey the limits that the daemon runs with.
func TestCommandsObeyTheDaemonsPolicy(t *testing.T) {
	t.Parallel()
	f := installed(t)
	boss, alice := f.user(t, "boss"), f.user(t, "alice")
	stop := f.start(t, "--protect", boss, "--max-revokes", "0")
	f.until(t, "select exists (select from sync_roles.policy where option = 'protect' and value = array[$1])", boss)
	stop().want(t, 0)
	f.ask(t, boss, "orders")
	f.ask(t, alice, "orders")
	r := f.call(t, "sync").want(t, 1)
	if f.Can(t, boss, "select from sales.orders") || f.status(t, boss) != "refused" || !f.Can(t, alice, "select from sales.orders") {
		t.Errorf("sync does not obey --protect of the daemon: %s", r.stderr)
	}
	if r := f.call(t, "plan"); !strings.Contains(r.stdout, "protect") {
		t.Errorf("plan does not obey: %s", r.stdout)
	}
	if r := f.call(t, "plan", "--protect", alice); !strings.Contains(r.stderr, "Warning: --protect") || !strings.Contains(r.stdout, boss) {
		t.Errorf("plan differs without a word: %s\n%s", r.stdout, r.stderr)
	}
}
