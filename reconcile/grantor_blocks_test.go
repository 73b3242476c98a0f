package reconcile_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// A blocked role is inspected by each rescan, without the lock and without another audit row.
func TestGrantorBlockedStaysSilent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.user(t, "x")
	stranger := f.foreignOwner(t)
	f.Exec(t, "create table app.strange (id int); alter table app.strange owner to "+stranger)
	g := f.grantor(t, x)
	if f.Version < 16 {
		f.Exec(t, "alter role "+g+" superuser")
	}
	f.insert(t, x, "SELECT", "table", "app", "strange")
	id := f.insert(t, x, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.delete(t, id)
	f.pending(t)
	f.outcome(t, x, plan.Blocked)
	if n := len(f.last(t, x).Problems); n != 2 {
		t.Errorf("%d problems, want 2: %v", n, f.last(t, x))
	}
	f.rescan(t)
	before := f.newestAudit(t)

	// Others wait for the lock as long as this test holds it: not for long.
	engine, err := reconcile.Open(t.Context(), f.config(t), reconcile.Config{Policy: defaultPolicy, LockTimeout: 50 * time.Millisecond, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = engine.Close(t.Context()) }()
	tx, err := f.super.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "comment on role _pgsr_lock is null"); err != nil {
		t.Fatal(err)
	}
	_, err = engine.Rescan(t.Context(), audit.Rescan)
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Errorf("a rescan of a blocked role takes the lock: %v", err)
	}
	if after := f.newestAudit(t); after != before {
		t.Errorf("a rescan of a blocked role writes to the audit: %v", f.last(t, x))
	}
}

// A role that is blocked does not hinder its neighbours in the same batch, whatever blocks it.
func TestGrantorBlockedHindersNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stranger := f.foreignOwner(t)
	f.Exec(t, "create table app.strange (id int); alter table app.strange owner to "+stranger)
	f.Exec(t, "create foreign data wrapper "+f.Role("fdw"))
	boss := f.role(t, "boss", "superuser")
	users := make([]string, 12)
	for i := range users {
		users[i] = f.user(t, fmt.Sprintf("u%02d", i))
		f.insert(t, users[i], "SELECT", "table", "app", "sales")
		f.add(t, row{role: users[i], privilege: "SELECT", objectType: "table", schema: "app", name: "c%", match: "like"})
	}
	f.insert(t, users[2], "SELECT", "table", "app", "strange")
	f.insert(t, users[4], "OWNER", "foreign_data_wrapper", "", f.Role("fdw"))
	f.insert(t, users[5], "MEMBER", "role", "", boss)
	f.insert(t, users[7], "OWNER", "database", "", f.Database)
	f.pending(t)
	for i, u := range users {
		f.can(t, u, "select from app.sales, app.costs")
		switch i {
		case 5:
			f.outcome(t, u, plan.Refused)
		case 2, 4, 7:
			f.outcome(t, u, plan.Blocked)
		default:
			f.outcome(t, u, plan.Applied)
		}
	}
	f.quiet(t)
	f.write(t, "delete from sync_roles.desired_grants where object_name in ('sales', 'c%')")
	f.pending(t)
	for _, u := range users {
		f.cannot(t, u, "select from app.sales")
		f.cannot(t, u, "select from app.costs")
	}
	f.quiet(t)
}
