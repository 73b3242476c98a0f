package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/adopt"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

func (f *fixture) adopt(t *testing.T, patterns bool, roles ...string) *adopt.Adoption {
	t.Helper()
	a, err := f.engine.Adopt(t.Context(), roles, patterns)
	if err != nil {
		t.Fatalf("adopt: %v", err)
	}
	return a
}

// What years of work by hand left is in rows afterwards, and nobody's access changes: not by adopting, not by the passes that follow, and not when
// the roles become exclusive.
func TestAdoptAMess(t *testing.T) {
	t.Parallel()
	for name, patterns := range map[string]bool{"exact": false, "patterns": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			policy := defaultPolicy
			policy.AllowMembershipIn = []string{"pg_monitor"} // otherwise an exclusive role loses it
			f.engine = f.engineWith(t, policy)
			roles := f.Mess(t, 200)
			before := f.Effective(t, f.super, roles)
			a := f.adopt(t, patterns, append(roles, "public")...)
			for _, u := range a.Inexpressible {
				t.Errorf("refused: %+v", u)
			}
			if report := f.dryRun(t); len(report.Statements) > 0 {
				t.Errorf("the plan is not empty:\n%s", strings.Join(report.Statements, "\n"))
			}
			f.sync(t)
			f.write(t, "update sync_roles.desired_roles set revoke_other = '{all}'")
			if report := f.dryRun(t); len(report.Statements) > 0 {
				t.Errorf("made exclusive, the plan is not empty:\n%s", strings.Join(report.Statements, "\n"))
			}
			f.sync(t)
			if diff := pgtest.Differences(before, f.Effective(t, f.super, roles)); diff != "" {
				t.Errorf("access has changed:%s", diff)
			}
			f.quiet(t)
			if again := f.adopt(t, patterns, roles...); again.Grants != 0 {
				t.Errorf("adopted once more, there were %d more rows", again.Grants)
			}

			// The rows are in force: what one says is put back, and goes with it.
			u4, u13 := f.Role("u4"), f.Role("u13")
			f.Exec(t, "revoke select on app.t4 from "+u4+"; grant usage on schema own to "+u13+"; grant connect on database "+f.Database+" to "+u13)
			f.write(t, "update sync_roles.desired_roles set revoke_other = '{}'")
			f.sync(t)
			f.can(t, u4, "select from app.t4")
			f.can(t, u13, "select from own.t")
			f.write(t, "delete from sync_roles.desired_grants where role_name = $1 and schema_name = 'own'", u13)
			f.write(t, "delete from sync_roles.desired_grants where role_name = $1 and object_name = 't4'", u4)
			f.pending(t)
			f.cannot(t, u13, "select from own.t")
			f.can(t, u4, "select from app.t0") // as a member of writers
			f.quiet(t)
		})
	}
}

// A schema's tables are one row only when asked, and then what comes later is covered.
func TestAdoptByPattern(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	exact, byPattern := f.user(t, "exact"), f.user(t, "pattern")
	f.asOwner(t, "grant select on all tables in schema app to "+exact+", "+byPattern)
	rows := func(role string) int64 {
		return pgtest.One[int64](t, f.daemon, "select count(*) from sync_roles.desired_grants where role_name = $1 and object_type = 'table'", role)
	}
	f.adopt(t, false, exact)
	f.adopt(t, true, byPattern)
	if rows(exact) != 2 || rows(byPattern) != 1 {
		t.Errorf("%d rows without patterns, want 2; %d with, want 1", rows(exact), rows(byPattern))
	}
	f.asOwner(t, "create table app.later ()")
	f.rescan(t)
	f.can(t, byPattern, "select from app.later")
	f.cannot(t, exact, "select from app.later")
	f.quiet(t)
}

// What rows cannot say is named with its reason, and the rest is adopted.
func TestAdoptWhatRowsCannotSay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	f.asOwner(t, `create function app."f(x)"() returns int language sql as 'select 1'; revoke execute on function app."f(x)"() from public; grant execute on function app."f(x)"() to `+alice)
	f.asOwner(t, "grant select on app.sales to "+alice)
	f.Exec(t, "grant select on pg_catalog.pg_authid to "+alice+"; create schema other authorization "+alice)
	want := []string{`EXECUTE on routine app.f(x)()`}
	a := f.adopt(t, false, alice)
	var refused []string
	for _, u := range a.Inexpressible {
		refused = append(refused, u.What)
		if u.Why == "" || u.Role != alice {
			t.Errorf("no reason, or not for alice: %+v", u)
		}
	}
	slices.Sort(refused)
	if !slices.Equal(refused, want) {
		t.Errorf("refused are %q, want %q", refused, want)
	}
	if len(a.Foreign) != 1 || !strings.Contains(a.Foreign[0].What, "pg_authid") {
		t.Errorf("beyond rows is %+v, want pg_authid alone", a.Foreign)
	}
	f.inSyncAfter(t, alice)
	f.is(t, true, "exists (select from sync_roles.desired_grants where role_name = $1 and privilege = 'OWNER' and object_name = 'other')", alice)
}

// inSyncAfter serves the queue and asserts that this changed nothing.
func (f *fixture) inSyncAfter(t *testing.T, role string) {
	t.Helper()
	f.pending(t)
	f.outcome(t, role, plan.Unchanged)
	f.quiet(t)
}

// Who cannot be managed cannot be adopted, and then nothing is; nor does an attribute that only an option of the daemon allows stand in the way.
func TestAdoptWhom(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, admin := f.user(t, "alice"), f.user(t, "admin")
	f.Exec(t, "alter role "+admin+" createrole; alter role "+alice+" valid until '2031-02-03 04:05:06.789+00' connection limit 7")
	for _, wrong := range []string{"postgres", f.Daemon, "pg_monitor", f.Role("nobody"), "_pgsr_lock"} {
		if _, err := f.engine.Adopt(t.Context(), []string{alice, wrong}, false); err == nil || !strings.Contains(err.Error(), wrong) {
			t.Errorf("adopted %s: %v", wrong, err)
		}
	}
	f.is(t, false, "exists (select from sync_roles.desired_roles) or exists (select from sync_roles.desired_grants)")
	super, err := pgx.ParseConfig(f.URL(pgserver.Superuser))
	if err != nil {
		t.Fatal(err)
	}
	byHand, err := reconcile.Open(t.Context(), super, reconcile.Config{Policy: defaultPolicy, LockTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = byHand.Close(t.Context()) }()
	if _, err := byHand.Adopt(t.Context(), []string{f.Daemon}, false); err == nil || !strings.Contains(err.Error(), "owner of schema sync_roles") {
		t.Errorf("a superuser adopted the daemon: %v", err)
	}
	f.Exec(t, "grant pg_monitor to "+alice)
	beyond := f.adopt(t, false, alice, admin).Foreign
	for _, word := range []string{"attribute CREATEROLE", "MEMBER of role pg_monitor"} {
		if !slices.ContainsFunc(beyond, func(u adopt.Inexpressible) bool { return u.What == word }) {
			t.Errorf("adopt does not say what becomes of %s: %+v", word, beyond)
		}
	}
	f.is(t, true, "login and connection_limit = 7 and valid_until = '2031-02-03 04:05:06.789+00' and createrole = false from sync_roles.desired_roles where role_name = $1", alice)
	f.is(t, true, "createrole is null from sync_roles.desired_roles where role_name = $1", admin)
	f.pending(t)
	f.outcome(t, admin, plan.Unchanged)
	f.quiet(t)
}

// Rows that are there already are kept, and say their part.
func TestAdoptBesidesRows(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "s%", match: "like"})
	f.write(t, "insert into sync_roles.desired_roles (role_name, connection_limit) values ($1, 5)", alice)
	f.insert(t, bob, "OWNER", "table", "app", "sales")
	f.pending(t)
	f.asOwner(t, "grant select on app.costs to "+alice)
	a := f.adopt(t, false, alice, bob)
	f.is(t, true, "connection_limit = 5 and login is null from sync_roles.desired_roles where role_name = $1", alice)
	if got, want := f.texts(t, "select object_name from sync_roles.desired_grants where role_name = $1 order by id", alice), []string{"s%", f.Database, "costs"}; !slices.Equal(got, want) {
		t.Errorf("alice has rows for %q, want %q", got, want)
	}
	if len(a.Inexpressible) > 0 {
		t.Errorf("refused: %+v", a.Inexpressible)
	}
	f.pending(t)
	f.can(t, alice, "select from app.sales")
	f.quiet(t)
}

// What a row that was deleted gave is not adopted before it is revoked.
func TestAdoptAfterADelete(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	id := f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.can(t, alice, "select from app.sales")
	f.delete(t, id)
	if _, err := f.engine.Adopt(t.Context(), []string{alice}, false); err == nil || !strings.Contains(err.Error(), alice) || !strings.Contains(err.Error(), "sync") {
		t.Errorf("adopted what a deleted row gave: %v", err)
	}
	f.pending(t)
	f.adopt(t, false, alice)
	f.cannot(t, alice, "select from app.sales")
	f.inSyncAfter(t, alice)
}

// What is held in two ways, on the object with the grant option and through a role of the Python library, is one row.
func TestAdoptWhatIsHeldTwice(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	python := fmt.Sprintf("_pgsr_local_%d_table_select_%sx", pgtest.One[uint32](t, f.super, "select oid from pg_database where datname = current_database()"), f.Prefix)
	f.Exec(t, "create role "+python+"; grant "+python+" to "+alice)
	f.afterwards(t, "drop owned by "+python+"; drop role "+python)
	f.asOwner(t, "grant select on app.sales to "+python+"; grant select on app.sales to "+alice+" with grant option; grant select on app.costs to "+alice)
	a := f.adopt(t, true, alice)
	if len(a.Inexpressible) > 0 {
		t.Errorf("refused: %+v", a.Inexpressible)
	}
	sameList(t, "rows", []string{"% false", "sales true"}, f.texts(t, "select object_name || ' ' || grantable from sync_roles.desired_grants where role_name = $1 and object_type = 'table' order by 1", alice))
	f.inSyncAfter(t, alice)
}
