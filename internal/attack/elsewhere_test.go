package attack_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// A dump that was restored into another cluster, where an unrelated login has by chance the OID of an intermediate role: no command acts on the OID.
func TestRegistryFromElsewhere(t *testing.T) {
	t.Parallel()
	for _, moved := range []string{"system_identifier = system_identifier + 1", "database_oid = 1"} {
		for _, table := range []string{"intermediate_roles", "keepers"} {
			t.Run(moved+" "+table, func(t *testing.T) {
				t.Parallel()
				f := installed(t)
				if f.Version < 16 && table == "keepers" {
					t.Skip("before 16 there are no keepers")
				}
				alice, bystander := f.user(t, "alice"), f.user(t, "bystander")
				f.Exec(t, "set role "+f.Owner+"; grant select on sales.costs to "+bystander)
				f.askLike(t, alice, "o%")
				f.call(t, "sync").want(t, 0)
				f.run(t, f.Daemon, fmt.Sprintf("update sync_roles.installation set %s; update sync_roles.%s set role_oid = '%s'::regrole where role_name !~ 'lock$'", moved, table, bystander))
				before := f.everyRole(t)
				for _, args := range [][]string{{"sync"}, {"sync", alice}, {"sync", "--prune"}, {"plan"}, {"plan", "--with-sql", "-"}, {"adopt", bystander}, {"adopt", "--all"}, {"run", "--no-migrate"}} {
					if r := f.call(t, args...).want(t, 1); !strings.Contains(r.stderr, "restored or copied from elsewhere") || !strings.Contains(r.stderr, "pg-sync-roles migrate") {
						t.Errorf("%v says: %s", args, r.stderr)
					}
					if after := f.everyRole(t); after != before {
						t.Fatalf("%v changed roles:\n%s\n%s", args, before, after)
					}
				}
				f.call(t, "migrate").want(t, 0)
				f.call(t, "sync").want(t, 0)
				f.can(t, true, bystander, "select from sales.costs")
				f.can(t, false, bystander, "select from sales.orders")
				f.can(t, true, alice, "select from sales.orders")
				f.quiet(t)
				f.forget(t, alice)
				f.quiet(t)
				f.can(t, false, alice, "select from sales.orders")
				f.can(t, true, bystander, "select from sales.costs")
			})
		}
	}
}

// everyRole is what the roles of the test are, with their names, memberships and privileges.
func (f *field) everyRole(t *testing.T) string {
	t.Helper()
	return pgtest.One[string](t, f.Superuser(t), `
		select string_agg(concat_ws(' ', r.oid, r.rolname, r.rolcanlogin, r.rolcreaterole,
			(select string_agg(m.roleid::regrole::text, ',' order by m.roleid) from pg_auth_members as m where m.member = r.oid),
			(select count(*) from pg_shdepend as d where d.refobjid = r.oid)), E'\n' order by r.oid)
		from pg_roles as r
		where starts_with(r.rolname, $1) or starts_with(r.rolname, $2)`, f.Prefix, f.prefix(t))
}

// A registry that is restored while the daemon runs stops the passes that would act on it; the daemon, which migrates, makes it one of here.
func TestRegistryFromElsewhereWhileRunning(t *testing.T) {
	t.Parallel()
	f := installed(t)
	alice, bystander := f.user(t, "alice"), f.user(t, "bystander")
	f.askLike(t, alice, "o%")
	f.start(t)
	f.until(t, "select exists (select from sync_roles.role_status where role_name = $1 and status = 'in_sync')", alice)
	f.run(t, f.Daemon, fmt.Sprintf(`update sync_roles.installation set system_identifier = system_identifier + 1;
		update sync_roles.intermediate_roles set role_oid = '%s'::regrole;
		delete from sync_roles.desired_grants`, bystander))
	f.until(t, "select not exists (select from sync_roles.withdrawn) and i.system_identifier = s.system_identifier from sync_roles.installation as i, pg_control_system() as s")
	f.until(t, "select not has_table_privilege($1, 'sales.orders', 'SELECT')", alice)
	if !pgtest.One[bool](t, f.Superuser(t), "select rolcanlogin from pg_roles where rolname = $1", bystander) {
		t.Error("the bystander is no login any more")
	}
}
