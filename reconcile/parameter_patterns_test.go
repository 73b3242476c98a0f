package reconcile_test

import (
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// A parameter that only rows name is there for these rows, as long as they are in force: patterns of others do not find it.
func TestPatternsDoNotFindWhatOnlyRowsName(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if f.Version < 15 {
		t.Skip("before 15 there are no privileges on parameters")
	}
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	parameter := f.Prefix + "app.secret"
	exact := f.insert(t, alice, "SET", "parameter", "", parameter)
	pattern := f.add(t, row{role: bob, privilege: "SET", objectType: "parameter", name: f.Prefix + "app.%", match: "like"})
	f.pending(t)
	f.outcome(t, alice, plan.Blocked)
	f.outcome(t, bob, plan.Waiting)
	matches := func(id int64) int {
		t.Helper()
		return pgtest.One[int](t, f.daemon, "select matches from sync_roles.grant_status where id = $1", id)
	}
	if matches(exact) != 1 || matches(pattern) != 0 {
		t.Errorf("the name matches %d, want 1, and the pattern %d, want 0", matches(exact), matches(pattern))
	}
	f.write(t, "update sync_roles.desired_grants set expires_at = now() - interval '1 s' where id = $1", exact)
	if n := pgtest.One[int](t, f.daemon, "select count(*) from sync_roles.parameters where name = $1", parameter); n != 0 {
		t.Error("what a row named that has expired is still there")
	}

	// What exists, patterns find.
	f.Exec(t, "grant set on parameter "+quoted(parameter)+" to "+f.Daemon+" with grant option")
	f.afterwards(t, "revoke set on parameter "+quoted(parameter)+" from "+f.Daemon+" cascade")
	f.rescan(t)
	f.outcome(t, bob, plan.Applied)
	if matches(pattern) != 1 {
		t.Errorf("the pattern matches %d, want 1", matches(pattern))
	}
}
