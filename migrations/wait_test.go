package migrations_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

func connectRow(env *pgtest.Env, role string) row {
	return row{"role_name": role, "privilege": "CONNECT", "object_type": "database", "object_name": env.Database}
}

const waitSQL = "select sync_roles.wait_for_sync($1)"

// startWaiting calls wait_for_sync in another session, and returns once it is waiting.
func startWaiting(tb testing.TB, env *pgtest.Env, role *string) <-chan error {
	tb.Helper()
	return wait(tb, env, env.Connect(tb, env.Daemon), role)
}

func wait(tb testing.TB, env *pgtest.Env, conn *pgx.Conn, role *string) <-chan error {
	tb.Helper()
	pid := pgtest.One[int](tb, conn, "select pg_backend_pid()")
	done := make(chan error, 1)
	go func() {
		_, err := conn.Exec(tb.Context(), waitSQL, role)
		done <- err
	}()
	until(tb, env.Superuser(tb), "select exists (select from pg_stat_activity where pid = $1 and wait_event = 'PgSleep')", pid)
	return done
}

// It returns when what was committed before has been dealt with, and then the access works.
func TestWaitForSyncReturns(t *testing.T) {
	t.Parallel()
	for _, all := range []bool{false, true} {
		env := installed(t)
		conn := env.Connect(t, env.Daemon)
		alice := env.Role("alice")
		connectRow(env, alice).mustInsert(t, conn, "desired_grants")
		row{"role_name": alice, "login": true}.mustInsert(t, conn, "desired_roles")
		wanted := &alice
		if all {
			wanted = nil
		}
		done := startWaiting(t, env, wanted)
		syncAll(t, engine(t, env))
		if err := <-done; err != nil {
			t.Errorf("all %t: %v", all, err)
		}
		if !env.Can(t, alice, "select") {
			t.Errorf("all %t: it returned, and the access does not work", all)
		}
		// With nothing to wait for it returns at once.
		for _, sql := range []string{"select sync_roles.wait_for_sync()", "select sync_roles.wait_for_sync('" + alice + "', '0')"} {
			execute(t, conn, sql)
		}
	}
}

// It waits for its own role only: others may be in trouble.
func TestWaitForSyncOfOneRole(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	alice, bob := env.Role("alice"), env.Role("bob")
	connectRow(env, alice).mustInsert(t, conn, "desired_grants")
	syncAll(t, engine(t, env))
	connectRow(env, bob).mustInsert(t, conn, "desired_grants")
	execute(t, conn, "select sync_roles.wait_for_sync($1, '0')", alice)
	// A request for every role is one for this role too.
	execute(t, conn, "insert into sync_roles.pending (role_name) values (null)")
	if _, err := conn.Exec(t.Context(), "select sync_roles.wait_for_sync($1, '0')", alice); err == nil {
		t.Error("it did not wait for a request for every role")
	}
}

// When nobody is there to do it, it says so in time.
func TestWaitForSyncTimesOut(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	connectRow(env, env.Role("alice")).mustInsert(t, conn, "desired_grants")
	started := time.Now()
	_, err := conn.Exec(t.Context(), "select sync_roles.wait_for_sync($1, '200 ms')", env.Role("alice"))
	wantError(t, err, "not in sync within 00:00:00.2", "1 requests", "queue")
	if sqlState(err) != "57014" || !strings.Contains(everything(err), "Is pg-sync-roles running?") {
		t.Errorf("got %s", everything(err))
	}
	if took := time.Since(started); took < 200*time.Millisecond || took > 10*time.Second {
		t.Errorf("it took %s, want 200 ms", took)
	}
}

// To wait for an unknown time would be to wait for ever.
func TestWaitForSyncWithoutATimeout(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	connectRow(env, env.Role("alice")).mustInsert(t, conn, "desired_grants")
	_, err := conn.Exec(t.Context(), "select sync_roles.wait_for_sync(timeout => null)")
	wantError(t, err, "timeout is NULL", "'30 s'")
	if sqlState(err) != "22004" {
		t.Errorf("SQLSTATE %q, want 22004", sqlState(err))
	}
}

// Nobody else sees rows that are not committed: to wait for them would be to wait for ever, so it is an error at once.
func TestWaitForSyncOfOwnRows(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	alice, bob := env.Role("alice"), env.Role("bob")
	connectRow(env, bob).mustInsert(t, conn, "desired_grants")
	syncAll(t, engine(t, env))
	for name, write := range map[string]func(tx pgx.Tx){
		"in the transaction": func(tx pgx.Tx) { connectRow(env, alice).mustInsert(t, tx, "desired_grants") },
		"of another table":   func(tx pgx.Tx) { row{"role_name": alice}.mustInsert(t, tx, "desired_roles") },
		"after a savepoint": func(tx pgx.Tx) {
			execute(t, tx, "savepoint a")
			connectRow(env, alice).mustInsert(t, tx, "desired_grants")
		},
		"in a block with catch": func(tx pgx.Tx) {
			execute(t, tx, `do $$ begin
				insert into sync_roles.desired_roles (role_name) values ('`+alice+`');
			exception when division_by_zero then null;
			end $$`)
		},
	} {
		for _, wanted := range []*string{&alice, nil} {
			tx, err := conn.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			write(tx)
			_, err = tx.Exec(t.Context(), "select sync_roles.wait_for_sync($1, '1 s')", wanted)
			if sqlState(err) != "25001" || !strings.Contains(err.Error(), "this very transaction") || !strings.Contains(everything(err), "COMMIT first") {
				t.Errorf("rows written %s, for all %t: %v", name, wanted == nil, err)
			}
			if err := tx.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}

	// Own rows for another role are not what it waits for.
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	connectRow(env, alice).mustInsert(t, tx, "desired_grants")
	execute(t, tx, "select sync_roles.wait_for_sync($1)", bob)
	_ = tx.Rollback(t.Context())
}

// In a transaction that keeps one snapshot, nothing would ever change.
func TestWaitForSyncNeedsReadCommitted(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	for _, level := range []pgx.TxIsoLevel{pgx.RepeatableRead, pgx.Serializable} {
		tx, err := conn.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: level})
		if err != nil {
			t.Fatal(err)
		}
		_, err = tx.Exec(t.Context(), "select sync_roles.wait_for_sync()")
		wantError(t, err, "wait_for_sync", string(level))
		_ = tx.Rollback(t.Context())
	}
	tx, err := conn.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.ReadUncommitted})
	if err != nil {
		t.Fatal(err)
	}
	execute(t, tx, "select sync_roles.wait_for_sync()")
	_ = tx.Rollback(t.Context())
}

// A role that did not come in sync is an error, which says why. That something does not exist yet is none.
func TestWaitForSyncOfARefusedRole(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	alice := env.Role("alice")
	row{"role_name": alice, "privilege": "MEMBER", "object_type": "role", "object_name": "pg_monitor"}.mustInsert(t, conn, "desired_grants")
	syncAll(t, engine(t, env))
	_, err := conn.Exec(t.Context(), waitSQL, alice)
	wantError(t, err, "'"+alice+"'", "refused", "pg_monitor")
	if sqlState(err) != "55000" {
		t.Errorf("SQLSTATE %q, want 55000", sqlState(err))
	}

	bob := env.Role("bob")
	grantRow(bob).mustInsert(t, conn, "desired_grants")
	syncAll(t, engine(t, env))
	execute(t, conn, waitSQL, bob)
}

// What could not be revoked is an error too, although no row is left to say that the role is managed.
func TestWaitForSyncOfWhatCannotBeTaken(t *testing.T) {
	t.Parallel()
	env, alice := cannotTake(t)
	_, err := env.Connect(t, env.Daemon).Exec(t.Context(), waitSQL, alice)
	wantError(t, err, alice)
}

// A writer is told what concerns the rows in its scope. Of others it is told that there is something, and not what.
func TestWaitForSyncTellsAWriter(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role, writer := newWriter(t, env, "etl")
	secret := "pg_read_server_files"
	row{"writer_role": role, "privileges": []string{"MEMBER"}, "object_like": "pg_monitor", "may_create_roles": true}.mustInsert(t, owner, "writers")
	mine := row{"role_name": env.Role("mine"), "privilege": "MEMBER", "object_type": "role", "object_name": "pg_monitor"}
	others := row{"role_name": env.Role("others"), "privilege": "MEMBER", "object_type": "role", "object_name": secret}
	both := env.Role("both")
	mine.mustInsert(t, writer, "desired_grants")
	others.mustInsert(t, owner, "desired_grants")
	mine.with(row{"role_name": both}).mustInsert(t, owner, "desired_grants")
	others.with(row{"role_name": both}).mustInsert(t, owner, "desired_grants")
	syncAll(t, engine(t, env))

	ask := func(conn *pgx.Conn, role string) string {
		t.Helper()
		_, err := conn.Exec(t.Context(), waitSQL, role)
		if sqlState(err) != "55000" || !strings.Contains(err.Error(), "'"+role+"'") {
			t.Errorf("%s: %v", role, err)
		}
		return everything(err)
	}
	for _, c := range []struct {
		role           string
		visible, other bool // reasons
	}{{env.Role("mine"), true, false}, {env.Role("others"), false, true}, {both, true, true}} {
		got := ask(writer, c.role)
		if strings.Contains(got, secret) || strings.Contains(got, "pg_monitor") != c.visible {
			t.Errorf("the writer is told of %s: %s", c.role, got)
		}
		if !c.visible && !strings.Contains(got, "not in sync, for reasons that are not for role "+role+" to see") {
			t.Errorf("the writer is told of %s: %s", c.role, got)
		}
		if got := ask(owner, c.role); strings.Contains(got, secret) != c.other {
			t.Errorf("the owner is told of %s: %s", c.role, got)
		}
	}
	if got := list[string](t, writer, "select role_name from sync_roles.my_problems order by 1"); len(got) != 2 || got[0] != both || got[1] != env.Role("mine") {
		t.Errorf("my_problems has %v", got)
	}
	// Nothing that it calls tells more.
	for _, sql := range []string{"select sync_roles.requests($1)::text", "select sync_roles.is_out_of_sync($1)::text"} {
		if got := pgtest.One[*string](t, writer, sql, both); got != nil && strings.Contains(*got, "pg_") {
			t.Errorf("%s: %s", sql, *got)
		}
	}
	// Who has no rights in the schema has no answer at all; who has no scope has none with a reason.
	nobody := env.Role("nobody")
	env.Exec(t, "create role "+nobody+" login; grant connect on database "+env.Database+" to "+nobody)
	if env.Can(t, nobody, "select sync_roles.wait_for_sync('"+both+"')") {
		t.Error("who has no USAGE on the schema may ask")
	}
	env.Exec(t, "grant usage on schema sync_roles to "+nobody)
	if got := ask(env.Connect(t, nobody), both); strings.Contains(got, "pg_") {
		t.Errorf("who has no scope is told: %s", got)
	}
}

// The winner of two OWNER patterns is named to who may see everything.
func TestWaitForSyncKeepsTheWinnerSecret(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role, writer := newWriter(t, env, "etl")
	env.Exec(t, "create schema app authorization "+env.Owner+"; set role "+env.Owner+"; create table app.t (id int)")
	alice, bob := env.Role("alice"), env.Role("bob")
	row{"writer_role": role, "grantee_like": bob, "may_create_roles": true}.mustInsert(t, owner, "writers")
	own := row{"privilege": "OWNER", "object_type": "table", "schema_name": "app", "object_name": "t"}
	own.with(row{"role_name": alice}).mustInsert(t, owner, "desired_grants")
	own.with(row{"role_name": bob, "name_match": "like", "object_name": "t%"}).mustInsert(t, writer, "desired_grants")
	syncAll(t, engine(t, env))
	_, err := owner.Exec(t.Context(), waitSQL, bob)
	wantError(t, err, "by desired grant 1", "one owner")
	_, err = writer.Exec(t.Context(), waitSQL, bob)
	wantError(t, err, "is to belong to another role: an object has one owner")
}

// cannotTake makes a role whose last row is deleted, and from which the daemon could not take what the row gave.
func cannotTake(tb testing.TB) (env *pgtest.Env, alice string) {
	tb.Helper()
	env = installed(tb)
	conn := env.Connect(tb, env.Daemon)
	alice = env.Role("alice")
	env.Exec(tb, "create schema app authorization "+env.Owner+"; set role "+env.Owner+"; create table app.t (id int)")
	grantRow(alice).with(row{"schema_name": "app"}).mustInsert(tb, conn, "desired_grants")
	syncAll(tb, engine(tb, env))
	// Before 16, CREATEROLE would give it the owner again, if that were no superuser.
	env.Exec(tb, "revoke "+env.Owner+" from "+env.Daemon+"; alter role "+env.Owner+" superuser")
	execute(tb, conn, "delete from sync_roles.desired_grants")
	syncAll(tb, engine(tb, env))
	if !pgtest.One[bool](tb, env.Superuser(tb), "select has_table_privilege($1, 'app.t', 'SELECT')", alice) {
		tb.Fatal("it was taken: this test needs something that cannot be")
	}
	return env, alice
}
