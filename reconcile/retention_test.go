package reconcile_test

import (
	"testing"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// What is old goes, in more steps than one; what says how a managed role is stays, and so does what is not old.
func TestRetention(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, gone := f.user(t, "alice"), f.user(t, "gone")
	f.insert(t, alice, "SELECT", "table", "app", "sales")
	id := f.insert(t, gone, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.delete(t, id)
	f.pending(t)
	f.rescan(t)
	f.Exec(t, `set session_replication_role = replica;
		update sync_roles.audit set at = at - interval '401 days';
		update sync_roles.rescans set at = at - interval '401 days';
		insert into sync_roles.audit (at, role_name, cause, outcome, duration, instance, seq, previous_hash, hash)
			select now() - interval '401 days' - i * interval '1 s', '`+gone+`', 'notify', 'unchanged', '1 ms', 'x', 0, '', '' from generate_series(1, 12345) as i;
		insert into sync_roles.audit (at, role_name, cause, outcome, duration, instance, seq, previous_hash, hash)
			values (now() - interval '399 days', '`+gone+`', 'notify', 'unchanged', '1 ms', 'x', 0, '', '')`)
	before := len(f.audit(t, alice))
	more, err := f.engine.Retain(t.Context(), 400*24*time.Hour)
	if err != nil || !more {
		t.Fatalf("more %t, %v", more, err)
	}
	if more, err = f.engine.Retain(t.Context(), 400*24*time.Hour); err != nil || more {
		t.Fatalf("more %t, %v", more, err)
	}
	if n := len(f.audit(t, alice)); n != 1 || before < 1 {
		t.Errorf("alice has %d rows in the audit, want the last", n)
	}
	if n := len(f.audit(t, gone)); n != 1 {
		t.Errorf("there are %d rows of a role that is no longer managed, want the young one", n)
	}
	if n := pgtest.One[int](t, f.daemon, "select count(*)::int from sync_roles.rescans"); n != 0 {
		t.Errorf("%d old rescans are left", n)
	}
	f.is(t, true, "status = 'in_sync' from sync_roles.role_status where role_name = $1", alice)
	f.quiet(t)
}
