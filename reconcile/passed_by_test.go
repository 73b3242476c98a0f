package reconcile_test

import (
	"fmt"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// A pattern passes by what comes with a type, here the constructors of a range, which belong to the bootstrap superuser. What it matches besides it
// gives and revokes; a name that is exact means what it names; and so does a pattern where the privilege is not everybody's.
func TestPatternsPassByWhatComesWithAType(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]row{
		"through an intermediate role": {privilege: "EXECUTE"},
		"direct":                       {privilege: "EXECUTE", direct: ptr(true)},
		"all":                          {privilege: "ALL"},
		"owner":                        {privilege: "OWNER"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			f.asOwner(t, `create type app.span as range (subtype = int);
				create function app.one() returns int language sql as 'select 1';
				revoke execute on function app.one() from public`)
			r.objectType, r.schema, r.name, r.match = "routine", "app", "%", "like"
			id := f.add(t, r.of(alice))
			f.pending(t)
			f.outcome(t, alice, plan.Applied)
			f.can(t, alice, "select app.one()")
			f.cannot(t, bob, "select app.one()")
			f.can(t, bob, "select app.span(1, 2)")
			if got := pgtest.One[string](t, f.daemon, "select status from sync_roles.grant_status where id = $1", id); got != "applied" {
				t.Errorf("grant_status is %s, want applied", got)
			}
			f.quiet(t)
			f.loses(t, alice, "select app.one()", id)
			if got := f.texts(t, "select distinct proowner::text from pg_proc where proname = 'span' and pronamespace = 'app'::regnamespace"); len(got) != 1 || got[0] != "10" {
				t.Errorf("the constructors belong to %v", got)
			}

			exact := r
			exact.name, exact.match = "span", ""
			f.add(t, exact.of(alice))
			f.pending(t)
			f.outcome(t, alice, plan.Blocked)
			if r.privilege == "OWNER" {
				return
			}
			f.Exec(t, "revoke execute on function app.span(int, int) from public")
			f.add(t, r.of(bob))
			f.pending(t)
			f.isBlocked(t, bob)
			f.cannot(t, bob, "select app.span(1, 2)")
		})
	}
}

// The same for what comes with an extension.
func TestPatternsPassByWhatComesWithAnExtension(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	f.Exec(t, fmt.Sprintf(`create function app.theirs() returns int language sql as 'select 1';
		create function app.closed() returns int language sql as 'select 2'; revoke execute on function app.closed() from public;
		set role %s; create function app.ours() returns int language sql as 'select 3'; revoke execute on function app.ours() from public;
		reset role;
		alter extension plpgsql add function app.theirs(); alter extension plpgsql add function app.closed()`, f.Owner))
	f.add(t, row{role: alice, privilege: "EXECUTE", objectType: "routine", schema: "app", name: "(theirs|ours)", match: "regex"})
	f.pending(t)
	f.outcome(t, alice, plan.Applied)
	f.can(t, alice, "select app.ours()")
	f.quiet(t)
	f.add(t, row{role: alice, privilege: "EXECUTE", objectType: "routine", schema: "app", name: "%", match: "like"})
	f.pending(t)
	f.isBlocked(t, alice)
}

// isBlocked asserts that a role is, also where it is by an intermediate role.
func (f *fixture) isBlocked(t *testing.T, role string) {
	t.Helper()
	if got := pgtest.One[string](t, f.daemon, "select status from sync_roles.role_status where role_name = $1", role); got != "blocked" {
		t.Errorf("%s is %s, want blocked", role, got)
	}
}
