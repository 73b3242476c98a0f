package reconcile_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// A lock that somebody holds for long keeps back what needs it, for this time, and nothing and nobody else.
func TestLockedObjectDelaysNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob, carol, dave := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "carol"), f.user(t, "dave")
	f.asOwner(t, "create table app.read (id int); create table app.granted (id int); grant select on app.granted to "+dave)
	tx, err := f.super.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), "select from app.read; grant update on app.granted to "+dave); err != nil {
		t.Fatal(err)
	}
	f.insert(t, alice, "SELECT", "table", "app", "granted")
	f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.insert(t, bob, "SELECT", "table", "app", "granted")
	f.insert(t, bob, "INSERT", "table", "app", "sales")
	f.insert(t, carol, "OWNER", "table", "app", "read")
	f.insert(t, carol, "SELECT", "table", "app", "costs")
	f.insert(t, dave, "SELECT", "table", "app", "costs")
	started := time.Now()
	f.pending(t)
	if took := time.Since(started); took > time.Minute { // the lock timeout is two minutes
		t.Errorf("it took %s", took)
	}
	f.can(t, alice, "select from app.sales")
	f.can(t, bob, "insert into app.sales values (1)")
	f.can(t, carol, "select from app.costs")
	f.can(t, dave, "select from app.costs")
	f.inOrder(t, dave)
	for _, role := range []string{alice, bob, carol} {
		f.outcome(t, role, plan.Failed)
		last := f.last(t, role)
		if last.SQLState == nil || *last.SQLState != "55P03" || !strings.Contains(*last.Error, "lock") {
			t.Errorf("the audit does not say that it is a lock: %v", last)
		}
		if !pgtest.One[bool](t, f.daemon, "select status = 'failed' and attempts = 1 and next_retry_at is not null from sync_roles.role_status where role_name = $1", role) {
			t.Errorf("role_status does not say when %s is tried again", role)
		}
	}

	f.due(t)
	if _, err := f.engine.ServeRetries(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.is(t, true, "count(*) = 3 and min(attempt) = 2 from sync_roles.retries")
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.due(t)
	if _, err := f.engine.ServeRetries(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.can(t, alice, "select from app.granted")
	f.can(t, bob, "select from app.granted")
	f.can(t, dave, "update app.granted set id = 1")
	f.owns(t, carol, "app.read")
	f.is(t, true, "count(*) = 0 from sync_roles.retries")
	for _, role := range []string{alice, bob, carol} {
		f.inOrder(t, role)
	}
	f.quiet(t)
}

// due lets every retry be due.
func (f *fixture) due(t *testing.T) {
	t.Helper()
	f.write(t, "update sync_roles.retries set next_retry_at = now()")
}

// In a statement for many roles, one that PostgreSQL refuses does not keep the others from what it gives.
func TestRefusedGranteeAmongMany(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob, bad := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "bad")
	f.Exec(t, `create function public.no() returns event_trigger language plpgsql as $$
		begin if current_query() ~ 'GRANT.*"`+bad+`"' then raise 'not to bad'; end if; end $$;
		create event trigger `+f.Prefix+`no on ddl_command_start when tag in ('GRANT') execute function public.no()`)
	for _, role := range []string{alice, bob, bad} {
		f.insert(t, role, "SELECT", "table", "app", "sales")
		f.insert(t, role, "SELECT", "table", "app", "costs")
	}
	f.pending(t)
	for _, role := range []string{alice, bob} {
		f.can(t, role, "select from app.sales, app.costs")
		f.outcome(t, role, plan.Applied)
	}
	f.cannot(t, bad, "select from app.sales")
	f.outcome(t, bad, plan.Blocked)
	f.problem(t, bad, plan.Blocked, "not to bad")
	f.Exec(t, "drop event trigger "+f.Prefix+"no")
	f.rescan(t)
	f.can(t, bad, "select from app.sales, app.costs")
	f.quiet(t)
}
