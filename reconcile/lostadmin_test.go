package reconcile_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// After an upgrade from PostgreSQL 15 the daemon has no ADMIN option on what it made, and the bootstrap superuser is the grantor of all memberships. That
// is said when it connects, and after the statement that it names, deleted rows take their access along.
func TestLostAdmin(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 25} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			if f.Version < 16 {
				t.Skip("before, CREATEROLE is enough")
			}
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			for i := range n {
				f.asOwner(t, fmt.Sprintf("create table app.t%d (id int)", i))
				for _, role := range []string{alice, bob} {
					f.add(t, row{role: role, privilege: "SELECT", objectType: "table", schema: "app", name: fmt.Sprintf("t%d%%", i), match: "like"})
				}
			}
			f.pending(t)
			f.can(t, alice, "select from app.t0")
			warned := func() map[string]any {
				t.Helper()
				var log bytes.Buffer
				engine, err := reconcile.Open(t.Context(), f.config(t), reconcile.Config{Policy: defaultPolicy, Log: zerolog.New(&log), LockTimeout: 2 * time.Minute})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = engine.Close(context.WithoutCancel(t.Context())) })
				f.engine = engine
				if log.Len() == 0 {
					return nil
				}
				var line map[string]any
				if err := json.Unmarshal(log.Bytes(), &line); err != nil {
					t.Fatalf("%v: %s", err, log.String())
				}
				return line
			}
			if line := warned(); line != nil {
				t.Errorf("it warns where nothing is wrong: %v", line)
			}

			f.loseAdmin(t)
			line := warned()
			if line == nil {
				t.Fatal("it does not warn")
			}
			fix, _ := line["fix"].(string)
			if !strings.Contains(fix, "WITH ADMIN TRUE") {
				t.Fatalf("the fix is %q", fix)
			}
			f.Exec(t, fix)
			if line := warned(); line != nil {
				t.Errorf("it warns after the fix: %v", line)
			}
			f.sync(t)
			f.write(t, "delete from sync_roles.desired_grants where role_name = $1", alice)
			f.pending(t)
			f.sync(t)
			f.cannot(t, alice, "select from app.t0")
			f.can(t, bob, "select from app.t0")
			f.write(t, "delete from sync_roles.desired_grants where role_name = $1", bob)
			f.pending(t)
			f.sync(t)
			f.cannot(t, bob, "select from app.t0")
			f.quiet(t)
		})
	}
}

// loseAdmin does to memberships what pg_dumpall, and so pg_upgrade, makes of them where the old server is 15.
func (f *fixture) loseAdmin(t *testing.T) {
	t.Helper()
	f.Exec(t, fmt.Sprintf(`do $$
		declare r record; m record;
		begin
			for r in select role_name from sync_roles.intermediate_roles union select role_name from sync_roles.keepers loop
				for m in select u.rolname as member, g.rolname as grantor from pg_auth_members as a join pg_roles as u on u.oid = a.member join pg_roles as g on g.oid = a.grantor
					where a.roleid = r.role_name::regrole order by a.grantor = 10 loop
					execute format('revoke %%I from %%I granted by %%I cascade', r.role_name, m.member, m.grantor);
					if m.member <> '%s' and m.member not like '\_pgsr\_%%' then
						execute format('grant %%I to %%I', r.role_name, m.member);
					end if;
				end loop;
			end loop;
		end $$`, f.Daemon))
}

// lost makes a database after an upgrade, in which these roles read tables app.t0 and app.t1 through an intermediate role, whose name it returns.
func lost(t *testing.T, roles ...string) (f *fixture, users []string, intermediate string) {
	t.Helper()
	f = newFixture(t)
	if f.Version < 16 {
		t.Skip("before, CREATEROLE is enough")
	}
	f.asOwner(t, "create table app.t0 (id int); create table app.t1 (id int)")
	for _, name := range roles {
		user := f.user(t, name)
		users = append(users, user)
		f.add(t, row{role: user, privilege: "SELECT", objectType: "table", schema: "app", name: "t%", match: "like"})
	}
	f.pending(t)
	f.loseAdmin(t)
	return f, users, pgtest.One[string](t, f.super, "select role_name from sync_roles.intermediate_roles")
}

// Nobody runs the statement: a row that goes takes its access along all the same, and nobody else's.
func TestLostAdminLeaves(t *testing.T) {
	t.Parallel()
	f, users, old := lost(t, "alice", "bob")
	alice, bob, carol := users[0], users[1], f.user(t, "carol")
	same := f.untouched(t, carol)
	f.write(t, "delete from sync_roles.desired_grants where role_name = $1", alice)
	f.pending(t)
	f.outcome(t, alice, plan.Applied)
	f.cannot(t, alice, "select from app.t0")
	f.can(t, bob, "select from app.t0, app.t1")
	same()
	f.quiet(t)
	if left := f.tables(t, old); len(left) > 0 {
		t.Errorf("what was abandoned still holds %v", left)
	}
	f.problem(t, old, plan.Blocked, "it holds nothing any more", "DROP ROLE "+quote(old))

	// The one in its place is like any other.
	f.asOwner(t, "create table app.t2 (id int)")
	f.rescan(t)
	f.can(t, bob, "select from app.t2")
	f.cannot(t, alice, "select from app.t2")
	f.write(t, "delete from sync_roles.desired_grants where role_name = $1", bob)
	f.pending(t)
	f.cannot(t, bob, "select from app.t0")
	f.is(t, false, "exists (select from sync_roles.intermediate_roles)")
	f.Exec(t, "drop role "+quote(old))
	f.quiet(t)
}

// The same where a role is to become a member, and where the last one leaves.
func TestLostAdminJoinsAndEnds(t *testing.T) {
	t.Parallel()
	f, users, old := lost(t, "alice")
	alice, carol := users[0], f.user(t, "carol")
	id := f.add(t, row{role: carol, privilege: "SELECT", objectType: "table", schema: "app", name: "t%", match: "like"})
	f.pending(t)
	f.outcome(t, carol, plan.Applied)
	f.can(t, carol, "select from app.t0")
	f.can(t, alice, "select from app.t0")
	f.is(t, false, "exists (select from sync_roles.intermediate_roles where role_name = $1)", old)
	f.quiet(t)
	f.delete(t, id)
	f.pending(t)
	f.cannot(t, carol, "select from app.t0")

	f, users, old = lost(t, "alice")
	f.write(t, "delete from sync_roles.desired_grants")
	f.pending(t)
	f.cannot(t, users[0], "select from app.t0")
	f.is(t, false, "exists (select from sync_roles.intermediate_roles)")
	f.is(t, false, "exists (select from pg_roles where starts_with(rolname, $1) and rolname not like '%keeper%' and rolname <> $2)",
		fmt.Sprintf("_pgsr_%d_", pgtest.One[uint32](t, f.super, "select oid from pg_database where datname = current_database()")), old)
	f.quiet(t)
}

// One that has lost its members is emptied, and not registered any more, although it cannot be dropped.
func TestLostAdminUnused(t *testing.T) {
	t.Parallel()
	f, users, old := lost(t, "alice")
	f.Exec(t, "revoke "+quote(old)+" from "+users[0])
	f.write(t, "delete from sync_roles.desired_grants")
	f.pending(t)
	f.rescan(t)
	f.is(t, false, "exists (select from sync_roles.intermediate_roles)")
	if left := f.tables(t, old); len(left) > 0 {
		t.Errorf("what was left holds %v", left)
	}
	f.problem(t, old, plan.Blocked, "DROP ROLE "+quote(old))
	f.quiet(t)
}

// Where the daemon cannot take the privileges from the intermediate role either, all stays, and the fix is not one statement for each membership.
func TestLostAdminWithoutTheOwner(t *testing.T) {
	t.Parallel()
	f, users, old := lost(t, "alice", "bob")
	alice, bob := users[0], users[1]
	f.Exec(t, "revoke "+f.Owner+" from "+f.Daemon)
	f.write(t, "delete from sync_roles.desired_grants where role_name = $1", alice)
	f.pending(t)
	f.outcome(t, alice, plan.Blocked)
	f.problem(t, alice, plan.Blocked, "no ADMIN option", "cannot be made anew", "whose privileges the daemon does not have")
	f.can(t, alice, "select from app.t0")
	f.can(t, bob, "select from app.t0")
	f.is(t, true, "exists (select from sync_roles.intermediate_roles where role_name = $1)", old)
	f.quiet(t)
	for _, fix := range f.fixes(t, alice) {
		if strings.HasPrefix(fix, "REVOKE") {
			t.Errorf("the fix is %s", fix)
		}
	}
	f.rescan(t)
	f.outcome(t, alice, plan.Applied)
	f.cannot(t, alice, "select from app.t0")
	f.can(t, bob, "select from app.t0")
	f.quiet(t)
}

// An exclusive role has no membership besides its rows: the one in what was abandoned gives nothing, and goes with it.
func TestLostAdminExclusive(t *testing.T) {
	t.Parallel()
	f, users, old := lost(t, "alice", "bob")
	alice, bob := users[0], users[1]
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{all}')", alice)
	f.write(t, "delete from sync_roles.desired_grants where role_name = $1", alice)
	f.pending(t)
	f.cannot(t, alice, "select from app.t0")
	f.can(t, bob, "select from app.t0")
	f.outcome(t, alice, plan.Blocked)
	want := "DROP ROLE " + quote(old)
	if fixes := f.fixes(t, alice); len(fixes) != 1 || fixes[0] != want {
		t.Fatalf("the fixes are %q, want %s", fixes, want)
	}
	f.rescan(t)
	f.outcome(t, alice, plan.Unchanged)
	f.can(t, bob, "select from app.t0")
	f.quiet(t)
}
