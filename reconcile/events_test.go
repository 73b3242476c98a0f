package reconcile_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// told is an event, as whoever listens gets it.
type told struct {
	Event   string
	AuditID int64  `json:"audit_id"`
	Role    string `json:"role_name"`
	Cause   string
	Granted int
	Revoked int
}

// events returns what was notified up to now, which a mark of our own ends.
func (f *fixture) events(t *testing.T, listener *pgx.Conn) (list []told) {
	t.Helper()
	f.Exec(t, "notify sync_roles_events, 'mark'")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		n, err := listener.WaitForNotification(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if n.Payload == "mark" {
			return list
		}
		var e told
		if err := json.Unmarshal([]byte(n.Payload), &e); err != nil {
			t.Fatalf("%q: %v", n.Payload, err)
		}
		list = append(list, e)
	}
}

// Whoever listens is told what happened, once it is committed, with the row of the audit that says more; and not of what changed nothing.
func TestEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	listener := f.Connect(t, f.Daemon)
	if _, err := listener.Exec(t.Context(), "listen sync_roles_events"); err != nil {
		t.Fatal(err)
	}
	want := func(step string, wanted ...string) {
		t.Helper()
		var got []string
		for _, e := range f.events(t, listener) {
			got = append(got, fmt.Sprintf("%s %s %s +%d -%d", e.Event, e.Role, e.Cause, e.Granted, e.Revoked))
			if !pgtest.One[bool](t, f.daemon, "select exists (select from sync_roles.audit where id = $1 and role_name = $2 and outcome = $3)", e.AuditID, e.Role, e.Event) {
				t.Errorf("%s: the audit has no row %+v", step, e)
			}
		}
		if strings.Join(got, "\n") != strings.Join(wanted, "\n") {
			t.Errorf("%s: %q was told, want %q", step, got, wanted)
		}
	}
	alice, bob := f.user(t, `alice "é" <b>`), f.user(t, "bob")
	id := f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.dryRun(t)
	want("a dry run")
	f.pending(t)
	want("a grant", "applied "+alice+" notify +1 -0")
	f.write(t, "update sync_roles.desired_grants set note = 'x' where id = $1", id)
	f.pending(t)
	f.rescan(t)
	want("nothing to do")
	f.insert(t, bob, "SELECT", "table", "app", "not_there_yet")
	f.pending(t)
	want("what waits")
	f.write(t, "insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name) values ($1, 'MEMBER', 'role', 'pg_monitor')", bob)
	f.pending(t)
	want("what is refused", "refused "+bob+" notify +0 -0")
	f.delete(t, id)
	f.pending(t)
	want("a revoke", "applied "+alice+" notify +0 -1")

	// A pass that fails tells of the failure alone.
	f.insert(t, alice, "SELECT", "table", "app", "costs")
	f.Exec(t, "alter table sync_roles.audit add constraint broken check (outcome <> 'applied') not valid")
	_, _ = f.engine.ServeQueue(t.Context(), "notify")
	for _, e := range f.events(t, listener) {
		if e.Event == "applied" {
			t.Errorf("%+v was told of what was rolled back", e)
		}
	}
}

// A pass over very many roles ends with one event for all that are left out.
func TestEventsOfManyRoles(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	listener := f.Connect(t, f.Daemon)
	if _, err := listener.Exec(t.Context(), "listen sync_roles_events"); err != nil {
		t.Fatal(err)
	}
	const many = 1100
	f.write(t, "insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name) select $1 || n, 'MEMBER', 'role', 'pg_monitor' from generate_series(1, $2::int) as n", f.Prefix+"role_", many)
	f.pending(t)
	list := f.events(t, listener)
	rows := pgtest.One[int](t, f.daemon, "select count(*) from sync_roles.audit where outcome = 'refused'")
	passes := pgtest.One[int](t, f.daemon, "select count(distinct pass) from sync_roles.audit where outcome = 'refused'")
	if rows != many || len(list) > many+passes {
		t.Errorf("%d events of %d rows in %d passes", len(list), rows, passes)
	}
	seen := map[int64]bool{}
	for _, e := range list {
		seen[e.AuditID] = true
	}
	if passes == 1 && (len(list) != 1001 || list[1000].Event != "more" || !seen[list[1000].AuditID]) {
		t.Errorf("%d events were told, the last is %+v", len(list), list[len(list)-1])
	}
}
