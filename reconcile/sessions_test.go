package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// alive reports whether a session is one still.
func alive(t *testing.T, session *pgx.Conn) bool {
	t.Helper()
	_, err := session.Exec(t.Context(), "select 1")
	return err == nil
}

// sessions is role_status.sessions.
func (f *fixture) sessions(t *testing.T, role string) int {
	t.Helper()
	return pgtest.One[int](t, f.daemon, "select sessions from sync_roles.role_status where role_name = $1", role)
}

// ended asserts that a session has ended, and that the audit names it.
func (f *fixture) ended(t *testing.T, role string, session *pgx.Conn) {
	t.Helper()
	if alive(t, session) {
		t.Errorf("the session of %s goes on: %v", role, f.audit(t, role))
	}
	want := fmt.Sprintf("pg_terminate_backend(%d)", session.PgConn().PID())
	if !slices.ContainsFunc(f.audit(t, role), func(r auditRow) bool { return strings.Contains(strings.Join(r.Statements, "\n"), want) }) {
		t.Errorf("the audit of %s does not name its session %s: %v", role, want, f.audit(t, role))
	}
}

// Sessions of a role that loses LOGIN end where its row asks for it, and are counted where it does not.
func TestSessionsWithoutLogin(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob, carol := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "carol")
	f.write(t, "insert into sync_roles.desired_roles (role_name, login, end_sessions) values ($1, true, true), ($2, true, false), ($3, true, true)", alice, bob, carol)
	f.pending(t)
	first, second, other, neighbour := f.Connect(t, alice), f.Connect(t, alice), f.Connect(t, bob), f.Connect(t, carol)
	f.quiet(t)
	if n := f.sessions(t, alice) + f.sessions(t, bob); n != 0 {
		t.Errorf("%d sessions have what was taken, before anything was", n)
	}
	f.write(t, "update sync_roles.desired_roles set login = false where role_name in ($1, $2)", alice, bob)
	if text := strings.Join(f.dryRun(t).Statements, "\n"); !strings.Contains(text, fmt.Sprint("pg_terminate_backend(", first.PgConn().PID())) {
		t.Errorf("a plan does not say that sessions of %s end:\n%s", alice, text)
	}
	if !alive(t, first) {
		t.Fatal("a plan has ended a session")
	}
	f.pending(t)
	f.ended(t, alice, first)
	f.ended(t, alice, second)
	if !alive(t, other) || !alive(t, neighbour) {
		t.Error("sessions that were not to end have ended")
	}
	if a, b := f.sessions(t, alice), f.sessions(t, bob); a != 0 || b != 1 {
		t.Errorf("%d and %d sessions have what was taken, want 0 and 1", a, b)
	}
	f.inOrder(t, alice)
	f.quiet(t)

	// The row's wish alone is reason enough.
	f.write(t, "update sync_roles.desired_roles set end_sessions = true where role_name = $1", bob)
	f.pending(t)
	f.ended(t, bob, other)
	f.quiet(t)
}

// Sessions of a role that loses CONNECT end in that database alone.
func TestSessionsWithoutConnect(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	f.Exec(t, "revoke connect on database "+f.Database+" from public, "+quote(alice))
	f.write(t, "insert into sync_roles.desired_roles (role_name, end_sessions) values ($1, true)", alice)
	id := f.insert(t, alice, "CONNECT", "database", "", f.Database)
	f.pending(t)
	session := f.Connect(t, alice)
	config := session.Config()
	config.Database = "postgres"
	elsewhere, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = elsewhere.Close(t.Context()) }()
	f.delete(t, id)
	f.pending(t)
	f.ended(t, alice, session)
	if !alive(t, elsewhere) {
		t.Error("a session in a database where the role may CONNECT has ended")
	}
	f.quiet(t)
}

// Sessions that began before a membership was taken end; later ones, which never had it, do not.
func TestSessionsWithoutMembership(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob, group := f.user(t, "alice"), f.user(t, "bob"), f.role(t, "team", "")
	f.Exec(t, fmt.Sprintf("grant select on app.sales to %s", quote(group)))
	f.write(t, "insert into sync_roles.desired_roles (role_name, end_sessions) values ($1, true), ($2, false)", alice, bob)
	a, b := f.insert(t, alice, "MEMBER", "role", "", group), f.insert(t, bob, "MEMBER", "role", "", group)
	f.pending(t)
	old, others := f.Connect(t, alice), f.Connect(t, bob)
	for _, session := range []*pgx.Conn{old, others} {
		if _, err := session.Exec(t.Context(), "set role "+quote(group)); err != nil {
			t.Fatal(err)
		}
	}
	f.quiet(t)
	f.delete(t, a, b)
	f.pending(t)
	f.ended(t, alice, old)
	if !alive(t, others) {
		t.Error("a session has ended that was not to")
	}
	young := f.Connect(t, alice)
	f.quiet(t)
	if !alive(t, young) {
		t.Error("a session has ended that began after the membership was taken")
	}
	f.Exec(t, "grant pg_read_all_stats to "+f.Daemon)
	if n := f.sessions(t, bob); n != 1 {
		t.Errorf("%d sessions of bob may have kept the membership, want 1", n)
	}

	// Who is a member again has a right to be there.
	f.insert(t, bob, "MEMBER", "role", "", group)
	f.pending(t)
	f.write(t, "update sync_roles.desired_roles set end_sessions = true where role_name = $1", bob)
	f.pending(t)
	if n := f.sessions(t, bob); n != 0 || !alive(t, others) {
		t.Errorf("%d sessions, %t, although the membership is back", n, alive(t, others))
	}
	f.quiet(t)
}

// A membership that another row still gives through a role is not lost.
func TestSessionsKeepWhatOtherMembershipsGive(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, group, wider := f.user(t, "alice"), f.role(t, "team", ""), f.role(t, "wider", "")
	f.Exec(t, "grant "+quote(group)+" to "+quote(wider))
	f.write(t, "insert into sync_roles.desired_roles (role_name, end_sessions) values ($1, true)", alice)
	id := f.insert(t, alice, "MEMBER", "role", "", group)
	f.insert(t, alice, "MEMBER", "role", "", wider)
	f.pending(t)
	session := f.Connect(t, alice)
	f.delete(t, id)
	f.pending(t)
	f.isMember(t, false, alice, group)
	if !alive(t, session) {
		t.Error("the session has ended, though its role still reaches what it lost one membership in")
	}
	f.quiet(t)
}

// What a daemon has left undone, killed between the commit and the end of sessions, another does: it follows from the catalogs.
func TestSessionsAreEndedByTheNextRescan(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob, group := f.user(t, "alice"), f.user(t, "bob"), f.role(t, "team", "")
	f.write(t, "insert into sync_roles.desired_roles (role_name) values ($1), ($2)", alice, bob)
	id := f.insert(t, alice, "MEMBER", "role", "", group)
	f.pending(t)
	session, other := f.Connect(t, alice), f.Connect(t, bob)
	f.delete(t, id)
	f.pending(t)
	f.Exec(t, "alter role "+quote(bob)+" nologin")
	// As if it had been so from the beginning: nothing is in the queue.
	f.Exec(t, "set session_replication_role = replica; update sync_roles.desired_roles set end_sessions = true; delete from sync_roles.pending")
	f.engine = f.engineWith(t, defaultPolicy)
	f.rescan(t)
	f.ended(t, alice, session)
	f.ended(t, bob, other)
	f.quiet(t)
}

// A session that the daemon may not end is a problem with the GRANT that helps.
func TestSessionsWithoutTheRight(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if f.Version < 16 {
		t.Skip("before 16, CREATEROLE is the right to be a member of any role")
	}
	alice := f.Role("alice")
	f.Exec(t, fmt.Sprintf("create role %s login; grant connect on database %s to %[1]s", quote(alice), f.Database))
	f.write(t, "insert into sync_roles.desired_roles (role_name, end_sessions) values ($1, true)", alice)
	f.pending(t)
	session := f.Connect(t, alice)
	f.Exec(t, "alter role "+quote(alice)+" nologin")
	f.rescan(t)
	f.outcome(t, alice, plan.Blocked)
	if !alive(t, session) {
		t.Error("the session has ended without the right to do so")
	}
	f.quiet(t)
	problems := f.last(t, alice).Problems
	if len(problems) != 1 || problems[0].Code != plan.SessionsRight {
		t.Fatalf("no problem tells that the session goes on: %v", problems)
	}
	f.Exec(t, problems[0].Fix)
	f.rescan(t)
	f.ended(t, alice, session)
	f.rescan(t)
	f.inOrder(t, alice)
	f.quiet(t)
}

// The end of a password's validity, a superuser and the daemon itself end no session.
func TestSessionsThatNeverEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, boss := f.user(t, "alice"), f.role(t, "boss", "superuser login")
	session, superuser := f.Connect(t, alice), f.Connect(t, boss)
	f.Exec(t, "alter role "+quote(boss)+" nologin")
	f.write(t, "insert into sync_roles.desired_roles (role_name, valid_until, end_sessions) values ($1, now() - interval '1 hour', true), ($2, null, true), ($3, null, true)",
		alice, boss, f.Daemon)
	f.pending(t)
	f.rescan(t)
	if !alive(t, session) || !alive(t, superuser) || !alive(t, f.daemon) {
		t.Error("a session has ended that must not")
	}
	f.outcome(t, boss, plan.Refused)
}
