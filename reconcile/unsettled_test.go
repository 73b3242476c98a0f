package reconcile_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

// Schemas and types that are being renamed are left alone for a moment, which their owner cannot prolong without end.
func TestRenamingKeepsNoAccess(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	f.asOwner(t, "create schema data; create type app.mood as enum (); revoke all on type app.mood from public")
	deleted := []int64{
		f.add(t, row{role: alice, privilege: "CREATE", objectType: "schema", name: "data", direct: ptr(true)}),
		f.add(t, row{role: alice, privilege: "USAGE", objectType: "type", schema: "app", name: "mood", direct: ptr(true)}),
	}
	f.insert(t, bob, "USAGE", "type", "app", "mood")
	f.pending(t)
	f.inOrder(t, alice)
	f.asOwner(t, `alter schema data rename to data_0; create schema data;
		alter type app.mood rename to mood_0; create type app.mood as enum (); revoke all on type app.mood from public`)
	holds := func(role string) bool {
		return pgtest.One[bool](t, f.super, `select exists (
			select from pg_namespace where nspname like 'data%' and has_schema_privilege($1, oid, 'CREATE')
			union all
			select from pg_type where typname like 'mood%' and has_type_privilege($1, oid, 'USAGE'))`, role)
	}
	stop := make(chan struct{})
	owner := f.Superuser(t)
	renamed := make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				renamed <- n
				return
			default:
			}
			// Where a pass writes at the same moment, the one or the other is told so, and goes on.
			_, err := owner.Exec(t.Context(), fmt.Sprintf("begin; alter schema data_%d rename to data_%d; alter type app.mood_%[1]d rename to mood_%[2]d; commit", n, n+1))
			if err == nil {
				n++
			} else {
				_, _ = owner.Exec(t.Context(), "rollback")
			}
			_, _ = owner.Exec(t.Context(), "select pg_sleep(0.4)")
		}
	}()
	f.delete(t, deleted...)
	f.pending(t)
	if !holds(alice) {
		t.Error("an object that is being renamed is not left alone")
	}
	for n := 1; holds(alice); n++ {
		if n == 20 {
			t.Errorf("a role keeps what no row asks for as long as its object is renamed again and again: %v", f.last(t, alice))
			break
		}
		f.due(t)
		if _, err := f.engine.ServeRetries(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	if n := <-renamed; n < 3 {
		t.Errorf("renamed only %d times", n)
	}
	f.sync(t)
	f.is(t, true, "has_type_privilege('"+bob+"', 'app.mood', 'USAGE')")
	f.quiet(t)
}

// What was swapped while no daemon looked, or before it started, is no failure of anybody: there is nothing to leave alone.
func TestWhatWasRenamedLongAgoIsNoFailure(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]func(*reconcile.Engine, context.Context) (*reconcile.Report, error){
		"startup": func(e *reconcile.Engine, ctx context.Context) (*reconcile.Report, error) {
			return e.Rescan(ctx, audit.Startup)
		},
		"queue": func(e *reconcile.Engine, ctx context.Context) (*reconcile.Report, error) {
			return e.ServeQueue(ctx, audit.Notify)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			f.asOwner(t, "create schema data; create type app.mood as enum (); revoke all on type app.mood from public")
			for _, role := range []string{alice, bob} {
				f.add(t, row{role: role, privilege: "CREATE", objectType: "schema", name: "data", direct: ptr(true)})
				f.insert(t, role, "USAGE", "type", "app", "mood")
			}
			f.pending(t)
			f.asOwner(t, `alter schema data rename to data_0; create schema data;
				alter type app.mood rename to mood_0; create type app.mood as enum (); revoke all on type app.mood from public`)
			engine := f.engineWith(t, defaultPolicy)
			f.write(t, "update sync_roles.desired_grants set note = 'asked again' where role_name = any ($1)", []string{alice, bob})
			if _, err := serve(engine, t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, role := range []string{alice, bob} {
				f.inOrder(t, role)
				f.is(t, true, "has_schema_privilege($1, 'data', 'CREATE') and has_type_privilege($1, 'app.mood', 'USAGE')", role)
			}
			f.is(t, false, "exists (select from sync_roles.audit where outcome = 'failed')")
			// The other engine has seen when that was, and leaves both alone for a moment yet.
			for end := time.Now().Add(time.Minute); time.Now().Before(end); {
				f.rescan(t)
				if !pgtest.One[bool](t, f.super, `select bool_or(has_schema_privilege(r, 'data_0', 'CREATE') or has_type_privilege(r, 'app.mood_0', 'USAGE'))
					from unnest($1::text[]) as r`, []string{alice, bob}) {
					break
				}
			}
			f.quiet(t)
			f.is(t, false, "has_schema_privilege($1, 'data_0', 'CREATE')", alice)
		})
	}
}
