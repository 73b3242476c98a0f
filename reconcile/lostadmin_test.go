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

	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
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

			// What pg_dumpall, and so pg_upgrade, makes of it.
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
