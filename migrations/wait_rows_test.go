package migrations_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/migrations"
)

// Without a role, a row that its writer wrote fails the wait, whether the daemon was quicker than the call or not, and whoever else has such rows.
func TestWaitForAllJudgesTheRowsOfItsCaller(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	e := engine(t, env)
	alice, bob := env.Role("alice"), env.Role("bob")
	good := connectRow(env, alice)
	refused := row{"role_name": alice, "privilege": "MEMBER", "object_type": "role", "object_name": "pg_monitor"}
	scope := row{"may_create_roles": true, "privileges": []string{"CONNECT", "MEMBER"}}
	etlRole, etl := newWriter(t, env, "etl")
	dbtRole, dbt := newWriter(t, env, "dbt")
	for _, writer := range []string{etlRole, dbtRole} {
		scope.with(row{"writer_role": writer}).mustInsert(t, owner, "writers")
	}
	// Two writers, of whom one has a row that no daemon obeys, of the same role.
	good.mustInsert(t, etl, "desired_grants")
	refused.mustInsert(t, dbt, "desired_grants")
	good.with(row{"role_name": bob}).mustInsert(t, owner, "desired_grants")
	done := startWaitingAs(t, env, dbtRole)
	syncAll(t, e)
	wait := func(conn *pgx.Conn) error {
		_, err := conn.Exec(t.Context(), "select sync_roles.wait_for_sync()")
		return err
	}
	for when, err := range map[string]error{"called before the pass": <-done, "called after the pass": wait(dbt)} {
		wantError(t, err, "desired grant", "'"+alice+"'", "refused", "pg_monitor")
		if sqlState(err) != "55000" {
			t.Errorf("%s: SQLSTATE %q, want 55000", when, sqlState(err))
		}
	}
	for name, conn := range map[string]*pgx.Conn{"the other writer": etl, "the owner": owner} {
		if err := wait(conn); err != nil {
			t.Errorf("%s, whose rows are in order, has %v", name, err)
		}
	}

	// A row of the owner's is told with what it asks for; an older one is not forgotten.
	refused.with(row{"role_name": bob, "object_name": "pg_signal_backend"}).mustInsert(t, owner, "desired_grants")
	syncAll(t, e)
	connectRow(env, env.Role("carol")).mustInsert(t, owner, "desired_grants")
	syncAll(t, e)
	wantError(t, wait(owner), "MEMBER on role pg_signal_backend for role '"+bob+"' is refused: role pg_signal_backend is a predefined role")
	// Who has lost its scope is told that there is something, and not what.
	execute(t, owner, "delete from sync_roles.writers where writer_role = $1", dbtRole)
	if err := wait(dbt); sqlState(err) != "55000" || strings.Contains(everything(err), "pg_monitor") || !strings.Contains(everything(err), "not for role "+dbtRole+" to see") {
		t.Errorf("without a scope: %s", everything(err))
	}
	execute(t, owner, "delete from sync_roles.desired_grants where privilege = 'MEMBER'")
	syncAll(t, e)
	for _, conn := range []*pgx.Conn{owner, dbt, etl} {
		if err := wait(conn); err != nil {
			t.Errorf("with all rows in order: %v", err)
		}
	}
}

// What PostgreSQL refuses, or the daemon has no right to, is a row's; and what a role itself lacks is that of whoever wrote the role's row.
func TestWaitForAllSeesWhatIsBlocked(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	e := engine(t, env)
	env.Exec(t, "create schema app authorization "+env.Owner+"; create table app.theirs (id int)")
	alice := env.Role("alice")
	grantRow(alice).with(row{"schema_name": "app", "object_name": "theirs"}).mustInsert(t, owner, "desired_grants")
	syncAll(t, e)
	_, err := owner.Exec(t.Context(), "select sync_roles.wait_for_sync()")
	wantError(t, err, "SELECT on table app.theirs for role '"+alice+"' is blocked", "belongs to role")
	env.Exec(t, "alter table app.theirs owner to "+env.Owner)
	syncAll(t, e)
	execute(t, owner, "select sync_roles.wait_for_sync()")
	if !pgtest.One[bool](t, owner, "select has_table_privilege($1, 'app.theirs', 'SELECT')", alice) {
		t.Error("it returned, and the privilege is not there")
	}

	row{"role_name": env.Role("bob"), "bypassrls": true}.mustInsert(t, owner, "desired_roles")
	syncAll(t, e)
	_, err = owner.Exec(t.Context(), "select sync_roles.wait_for_sync()")
	wantError(t, err, "role '"+env.Role("bob")+"' is refused", "allow-attribute")
}

// Of a role, a writer's own rows count, and not those that it cannot see.
func TestWaitForARoleJudgesTheRowsInSight(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	alice := env.Role("alice")
	role, writer := newWriter(t, env, "etl")
	row{"writer_role": role, "privileges": []string{"CONNECT"}, "may_create_roles": true}.mustInsert(t, owner, "writers")
	connectRow(env, alice).mustInsert(t, writer, "desired_grants")
	row{"role_name": alice, "privilege": "MEMBER", "object_type": "role", "object_name": "pg_monitor"}.mustInsert(t, owner, "desired_grants")
	syncAll(t, engine(t, env))
	execute(t, writer, waitSQL, alice)
	_, err := owner.Exec(t.Context(), waitSQL, alice)
	wantError(t, err, "pg_monitor")
}

// A role that is a slip of the keyboard is an error; one whose last row went is none, as soon as that is done.
func TestWaitForARoleThatIsNotManaged(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	e := engine(t, env)
	alice := env.Role("alice")
	connectRow(env, alice).mustInsert(t, conn, "desired_grants")
	syncAll(t, e)
	for _, wrong := range []string{strings.ToUpper(alice), alice + "x", "", env.Daemon} {
		_, err := conn.Exec(t.Context(), waitSQL, wrong)
		if sqlState(err) != "42704" || !strings.Contains(err.Error(), "'"+wrong+"' is not managed") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	execute(t, conn, "delete from sync_roles.desired_grants")
	syncAll(t, e)
	execute(t, conn, waitSQL, alice)
	if pgtest.One[bool](t, conn, "select has_database_privilege($1, current_database(), 'CONNECT')", alice) {
		t.Error("it returned, and the access is still there")
	}
}

// A standby does not know what its primary has still to do.
func TestWaitForSyncOnAStandby(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	url := server.URL(pgserver.Superuser, "postgres")
	if _, err := migrations.Up(t.Context(), parse(t, url)); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, url)
	row{"role_name": "alice", "privilege": "CONNECT", "object_type": "database", "object_name": "postgres"}.mustInsert(t, conn, "desired_grants")
	_ = conn.Close(t.Context())
	// The server itself may have to sync the file, as another user.
	signal := filepath.Join(server.DataDir(), "standby.signal")
	if err := os.WriteFile(signal, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(signal, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	conn = connect(t, url)
	for _, sql := range []string{"select sync_roles.wait_for_sync()", "select sync_roles.wait_for_sync('alice')"} {
		_, err := conn.Exec(t.Context(), sql)
		if sqlState(err) != "25006" || !strings.Contains(everything(err), "standby") || !strings.Contains(everything(err), "Connect to the primary") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// startWaitingAs is startWaiting for all, as another role.
func startWaitingAs(tb testing.TB, env *pgtest.Env, role string) <-chan error {
	tb.Helper()
	conn := env.Connect(tb, role)
	return wait(tb, env, conn, nil)
}
