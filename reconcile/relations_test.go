package reconcile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

// Rows that the engine does not see must not look like rows that were deleted, whichever table of ours they are in: what it cannot read whole makes it
// stop, and all access stays. When the reason is gone, all goes on.
func TestRowsThatAreOutOfSight(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ hide, show, says string }{
		"row-level security": {
			"alter table sync_roles.%[1]s enable row level security; alter table sync_roles.%[1]s force row level security",
			"alter table sync_roles.%[1]s no force row level security",
			"row-level security",
		},
		"replaced by an empty table": {
			"set role %[2]s; alter table sync_roles.%[1]s rename to aside; create table sync_roles.%[1]s (like sync_roles.aside including defaults including indexes)",
			"set role %[2]s; drop table sync_roles.%[1]s; alter table sync_roles.aside rename to %[1]s",
			"was replaced",
		},
		"of another owner": {
			"alter table sync_roles.%[1]s owner to postgres; grant all on sync_roles.%[1]s to %[2]s",
			"alter table sync_roles.%[1]s owner to %[2]s",
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			alice, bob, carol := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "carol")
			f.insert(t, alice, "SELECT", "table", "app", "sales")
			f.add(t, row{role: bob, privilege: "SELECT", objectType: "table", schema: "app", name: "s%", match: "like"})
			f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other, login) values ($1, '{all}', true)", alice)
			f.insert(t, alice, "CONNECT", "database", "", f.Database)
			f.pending(t)
			for _, table := range f.texts(t, "select relname from pg_class where relnamespace = 'sync_roles'::regnamespace and relkind = 'r' order by 1") {
				engine := f.engineWith(t, defaultPolicy) // connected before
				f.Exec(t, fmt.Sprintf(c.hide, table, f.Daemon))
				_, err := engine.Rescan(t.Context(), audit.Rescan)
				read := err != nil
				if _, err := engine.Sync(t.Context(), nil, true); err != nil && c.says != "" && !strings.Contains(err.Error(), c.says) {
					t.Errorf("%s: sync says %v, not %q", table, err, c.says)
				} else if err == nil && (table == "desired_grants" || table == "desired_roles") {
					t.Errorf("%s: sync says nothing (rescan: %t)", table, read)
				}
				if _, err := reconcile.Open(t.Context(), f.config(t), reconcile.Config{Policy: defaultPolicy}); err == nil && c.says == "row-level security" {
					t.Errorf("%s: an engine opens", table)
				}
				f.can(t, alice, "select from app.sales")
				f.can(t, bob, "select from app.sales")
				f.cannot(t, carol, "select from app.sales")
				f.Exec(t, fmt.Sprintf(c.show, table, f.Daemon))
			}
			f.engine = f.engineWith(t, defaultPolicy)
			f.sync(t)
			f.quiet(t)
			f.insert(t, carol, "SELECT", "table", "app", "sales")
			f.pending(t)
			f.can(t, carol, "select from app.sales")
			f.write(t, "delete from sync_roles.desired_grants where object_type = 'table'")
			f.pending(t)
			for _, role := range []string{alice, bob, carol} {
				f.cannot(t, role, "select from app.sales")
			}
			f.quiet(t)
		})
	}
}
