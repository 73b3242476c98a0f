package reconcile_test

import (
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// A membership that the daemon's role gave itself is the one that is borrowed on: afterwards it is as it was.
func TestBorrowKeepsOwnMembership(t *testing.T) {
	t.Parallel()
	for _, options := range []string{"inherit false, set true", "inherit false, set false"} {
		t.Run(options, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			if f.Version < 16 {
				t.Skip("before 16 a membership has no options")
			}
			alice, other := f.user(t, "alice"), f.role(t, "other", "")
			f.manageable(t, other)
			f.Exec(t, "create table app.t (id int); alter table app.t owner to "+other+"; grant usage on schema app to "+other)
			f.write(t, "grant "+other+" to "+f.Daemon+" with "+options)
			held := func() string {
				return pgtest.One[string](t, f.daemon, "select string_agg(concat_ws(' ', grantor_oid, admin_option, inherit_option, set_option), '; ' order by grantor_oid) from sync_roles.memberships where role_oid = to_regrole($1)", other)
			}
			before := held()
			id := f.insert(t, alice, "SELECT", "table", "app", "t")
			f.pending(t)
			f.can(t, alice, "select from app.t")
			f.outcome(t, alice, plan.Applied)
			f.delete(t, id)
			f.pending(t)
			f.cannot(t, alice, "select from app.t")
			if after := held(); after != before {
				t.Errorf("memberships in %s are %s, were %s", other, after, before)
			}
			f.quiet(t)
		})
	}
}
