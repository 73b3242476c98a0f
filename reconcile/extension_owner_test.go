package reconcile_test

import (
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// Whoever owns an extension can put objects of its own into it: that takes none of them out of reach of OWNER patterns. What belongs to a superuser, as
// all that a trusted extension brings, they pass by.
func TestOwnerPatternsReachWhatIsPutIntoAnExtension(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if !pgtest.One[bool](t, f.super, "select exists (select from pg_available_extension_versions where name = 'citext' and trusted)") {
		t.Skip("the server has no trusted extension")
	}
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	f.Exec(t, "grant create on database "+f.Database+" to "+f.Owner)
	f.asOwner(t, `
		create extension citext schema app;
		create table app.hidden (id int);
		alter extension citext add table app.hidden;
		create function app.one() returns int language sql as 'select 1';
		alter extension citext add function app.one()`)
	if got := f.texts(t, "select extowner::regrole::text from pg_extension where extname = 'citext'"); len(got) != 1 || got[0] != f.Owner {
		t.Fatalf("the extension belongs to %v", got)
	}
	owners := func() []string {
		t.Helper()
		return f.texts(t, `
			select distinct relowner::regrole::text from pg_class where relnamespace = 'app'::regnamespace and relkind = 'r'
			union select proowner::regrole::text from pg_proc where proname = 'one'`)
	}
	tables := row{role: alice, privilege: "OWNER", objectType: "table", schema: "app", name: "%", match: "like"}
	routines := tables
	routines.objectType = "routine"
	ids := []int64{f.add(t, tables), f.add(t, routines)}
	f.pending(t)
	f.outcome(t, alice, plan.Applied)
	if got := owners(); len(got) != 1 || got[0] != alice {
		t.Errorf("app.hidden, app.one and the other tables belong to %v, want %s", got, alice)
	}
	f.quiet(t)
	for _, id := range ids {
		if got := pgtest.One[string](t, f.daemon, "select status from sync_roles.grant_status where id = $1", id); got != "applied" {
			t.Errorf("grant_status is %s, want applied", got)
		}
	}

	// Another role's pattern takes over, also from a role that is to own nothing else.
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{ownerships}')", alice)
	f.delete(t, ids...)
	tables.role, routines.role = bob, bob
	f.add(t, tables)
	f.add(t, routines)
	f.pending(t)
	if got := owners(); len(got) != 1 || got[0] != bob {
		t.Errorf("app.hidden, app.one and the other tables belong to %v, want %s", got, bob)
	}
	f.quiet(t)
}
