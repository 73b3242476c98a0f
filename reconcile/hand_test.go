package reconcile_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/migrations"
)

// eventTriggers installs the event triggers, as a superuser does.
func (f *fixture) eventTriggers(t *testing.T, on bool) {
	t.Helper()
	config, err := pgx.ParseConfig(f.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	config.Database = f.Database
	if err := migrations.SetEventTriggers(t.Context(), config, on); err != nil {
		t.Fatal(err)
	}
}

// With event triggers, it is known who did by hand what a pass undoes, and the audit says so; what the daemon does is not by hand.
func TestAuditNamesTheHand(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	f.eventTriggers(t, true)
	f.eventTriggers(t, true) // again, as an upgrade does
	f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.insert(t, bob, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.rescan(t)
	hands := "select concat_ws('|', \"session_user\", \"current_user\", application_name, command_tag, statement) from sync_roles.hand_changes order by id"
	if got := textsOf(t, f.daemon, hands); len(got) != 0 {
		t.Errorf("what the daemon did is by hand: %v", got)
	}
	f.Exec(t, "grant "+quote(f.Owner)+" to "+quote(bob))
	by := f.Connect(t, bob)
	for _, sql := range []string{"set application_name = 'psql'", "set sync_roles.daemon = 'on'", "set role " + quote(f.Owner), "revoke select on app.sales from " + quote(alice)} {
		if _, err := by.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if got := textsOf(t, f.daemon, hands); len(got) != 1 || got[0] != bob+"|"+f.Owner+"|psql|REVOKE|revoke select on app.sales from "+quote(alice) {
		t.Errorf("hand changes: %v", got)
	}
	f.rescan(t)
	f.can(t, alice, "select from app.sales")
	requested := textsOf(t, f.daemon, "select array_to_string(requested_by, ';') from sync_roles.audit where role_name = $1 order by id desc limit 1", alice)
	if len(requested) != 1 || !strings.HasPrefix(requested[0], "hand change by "+bob+" at ") || !strings.Contains(requested[0], "(revoke select on app.sales from ") {
		t.Errorf("the audit row of the pass that undid it: %v", requested)
	}
	// The gap is in the history, and bob, of whom no pass was, has none.
	periods := "select count(*) from sync_roles.access_history where role_name = $1 and object_name = 'sales'"
	if n := pgtest.One[int](t, f.daemon, periods, alice); n != 2 {
		t.Errorf("alice had SELECT in %d periods, want 2", n)
	}
	if n := pgtest.One[int](t, f.daemon, periods, bob); n != 1 {
		t.Errorf("bob had SELECT in %d periods, want 1", n)
	}

	// No secret, no temporary object, nothing that changes no access; and the limit of length.
	f.Exec(t, "create role "+quote(f.Role("pw"))+" password 'sesame'; grant select on app.costs to "+quote(f.Role("pw")))
	f.Exec(t, "create temporary table x (id int); drop table x")
	f.Exec(t, "alter table app.costs add column more int; grant select on app.costs to "+quote(bob)+" -- "+strings.Repeat("x", 5000))
	f.Exec(t, "do $$ begin execute 'alter role ' || quote_ident(current_user) || ' password ''sesame'''; execute 'grant update on app.costs to "+quote(bob)+"'; end $$; alter role "+quote(f.Role("pw"))+" nologin")
	got := strings.Join(textsOf(t, f.daemon, "select statement from sync_roles.hand_changes where id > 1"), "\n")
	if strings.Contains(got, "sesame") || !strings.Contains(got, "***") || len(got) > 6000 || strings.Contains(got, "temporary") {
		t.Errorf("recorded:\n%s", got)
	}

	// Without its table, no statement fails.
	f.Exec(t, "alter table sync_roles_hand.changes rename to elsewhere; grant insert on app.costs to "+quote(bob)+"; alter table sync_roles_hand.elsewhere rename to changes")
	if _, err := f.engine.Retain(t.Context(), 0); err != nil {
		t.Error(err)
	}
	if n := pgtest.One[int](t, f.daemon, "select count(*) from sync_roles.hand_changes"); n != 0 {
		t.Errorf("%d changes after their time", n)
	}
	f.eventTriggers(t, false)
	f.is(t, true, "to_regnamespace('sync_roles_hand') is null and not exists (select from sync_roles.hand_changes)")
}

// The retention deletes ended periods, and keeps those that last, with their beginning.
func TestRetentionOfHistory(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	kept := f.insert(t, bob, "SELECT", "table", "app", "sales")
	gone := f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.rescan(t)
	f.delete(t, gone)
	f.pending(t)
	ended := f.insert(t, alice, "SELECT", "table", "app", "costs")
	f.pending(t)
	before := f.heldNow(t)
	since := pgtest.One[time.Time](t, f.daemon, "select lower(valid) from sync_roles.access_history where role_name = $1 and object_name = 'sales'", bob)
	if _, err := f.engine.Retain(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	f.same(t, "kept", before)
	f.is(t, true, "count(*) = 2 from sync_roles.access_history where role_name = $1 and privilege = 'SELECT'", alice)
	if _, err := f.engine.Retain(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	f.is(t, true, "count(*) = 1 from sync_roles.access_history where role_name = $1 and privilege = 'SELECT'", alice)
	f.is(t, true, "count(*) = 0 from sync_roles.desired_history where row_id = $1::bigint::text", gone)
	f.is(t, true, "count(*) = 2 from sync_roles.desired_history where row_id in ($1::bigint::text, $2::bigint::text)", kept, ended)
	if now := pgtest.One[time.Time](t, f.daemon, "select lower(valid) from sync_roles.access_history where role_name = $1 and object_name = 'sales'", bob); !now.Equal(since) {
		t.Errorf("what is held begins at %s, and began at %s before the retention", now, since)
	}
	now := f.heldNow(t)
	f.same(t, "after the retention", now)
}

// A hand grant that no row asks for, to a role whose other grants are left alone, is in the history from the next rescan on; so is who asked for the others.
func TestHistoryOfHandsAndReasons(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	id := f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.write(t, "update sync_roles.desired_grants set note = 'TICKET-1' where id = $1", id)
	f.pending(t)
	f.settled(t)
	newest := f.newestAudit(t)
	f.Exec(t, "grant insert on app.sales to "+quote(alice))
	f.rescan(t)
	if f.newestAudit(t) != newest {
		t.Error("a pass had something to do")
	}
	got := f.texts(t, "select concat_ws(' ', privilege, exact, grant_ids, requested_by, notes) from sync_roles.access_as_of(clock_timestamp()) where role_name = $1 and object_type = 'table' order by 1", alice)
	want := []string{"INSERT f {} {} {}", "SELECT t {" + pgtest.One[string](t, f.daemon, "select $1::bigint::text", id) + "} {" + f.Daemon + "} {TICKET-1}"}
	sameList(t, "as of now", got, want)
	f.Exec(t, "revoke insert on app.sales from "+quote(alice))
	f.rescan(t)
	f.is(t, true, "count(*) = 1 from sync_roles.access_history where role_name = $1 and privilege = 'INSERT' and not upper_inf(valid) and cause = 'rescan' and pass is null", alice)
}

// settled rescans until nothing is left to do.
func (f *fixture) settled(t *testing.T) {
	t.Helper()
	for range 5 {
		f.rescan(t)
	}
}
