package migrations_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// A role that its last pass refused is not in sync because another session has queued it again: whoever waits learns what the next pass makes of it.
func TestWaitForARoleThatIsQueuedAgain(t *testing.T) {
	t.Parallel()
	for _, all := range []bool{false, true} {
		for _, writes := range []string{"owner", "writer"} {
			for _, mended := range []bool{false, true} {
				t.Run(fmt.Sprintf("all %t, %s, mended %t", all, writes, mended), func(t *testing.T) {
					t.Parallel()
					env := installed(t)
					owner := env.Connect(t, env.Daemon)
					e := engine(t, env)
					alice := env.Role("alice")
					who, conn := env.Daemon, owner
					if writes == "writer" {
						who, conn = newWriter(t, env, "etl")
						row{"writer_role": who, "privileges": []string{"MEMBER"}, "may_create_roles": true}.mustInsert(t, owner, "writers")
					}
					row{"role_name": alice, "privilege": "MEMBER", "object_type": "role", "object_name": "pg_monitor"}.mustInsert(t, conn, "desired_grants")
					syncAll(t, e)

					again := "insert into sync_roles.pending (role_name) values ('" + alice + "')"
					execute(t, owner, again)
					wanted := &alice
					if all {
						wanted = nil
					}
					done := wait(t, env, env.Connect(t, who), wanted)
					execute(t, owner, "begin; delete from sync_roles.pending; "+again+"; commit")
					retried := pgtest.One[bool](t, env.Connect(t, who), "select is_retried and message is not null from sync_roles.sync_problem($1)", wanted)
					if !retried {
						t.Error("what is queued again is not worth waiting for")
					}
					if mended {
						execute(t, owner, "delete from sync_roles.desired_grants")
						syncAll(t, e)
						if err := <-done; err != nil {
							t.Errorf("after the next pass had mended it: %v", err)
						}
						return
					}
					execute(t, owner, "delete from sync_roles.pending")
					err := <-done
					wantError(t, err, "'"+alice+"'", "is refused", "pg_monitor")
					if sqlState(err) != "55000" {
						t.Errorf("SQLSTATE %q, want 55000", sqlState(err))
					}
				})
			}
		}
	}
}

// One row that is not retried is enough to end the wait, however many there are of others; ten are as many as a message tells.
func TestWaitForAllLooksAtAllBadRows(t *testing.T) {
	t.Parallel()
	for _, writes := range []string{"owner", "writer"} {
		t.Run(writes, func(t *testing.T) {
			t.Parallel()
			env := installed(t)
			owner := env.Connect(t, env.Daemon)
			alice, bob := env.Role("alice"), env.Role("bob")
			conn := owner
			if writes == "writer" {
				var role string
				role, conn = newWriter(t, env, "etl")
				row{"writer_role": role, "privileges": []string{"SELECT", "MEMBER"}, "may_create_roles": true}.mustInsert(t, owner, "writers")
			}
			env.Exec(t, "create schema app authorization "+env.Owner)
			for i := range 20 {
				grantRow(alice).with(row{"schema_name": "app", "object_name": fmt.Sprint("t", i)}).mustInsert(t, conn, "desired_grants")
			}
			row{"role_name": bob, "privilege": "MEMBER", "object_type": "role", "object_name": "pg_monitor"}.mustInsert(t, conn, "desired_grants")
			syncAll(t, engine(t, env))
			for i := range 20 {
				env.Exec(t, fmt.Sprintf("set role %s; create table app.t%d (id int)", env.Owner, i))
			}
			execute(t, owner, `insert into sync_roles.audit (role_name, cause, outcome, error, duration, instance, seq, previous_hash, hash)
				values ($1, 'manual', 'failed', 'boom', '1 s', 'test', 0, '', '')`, alice)

			ask := func() (text string, retried bool) {
				t.Helper()
				if err := conn.QueryRow(t.Context(), "select message, is_retried from sync_roles.sync_problem(null)").Scan(&text, &retried); err != nil {
					t.Fatal(err)
				}
				return text, retried
			}
			text, retried := ask()
			if retried || !strings.Contains(text, "pg_monitor") || strings.Count(text, "; ") != 9 {
				t.Errorf("with one row that is refused: retried %t, %s", retried, text)
			}
			_, err := conn.Exec(t.Context(), "select sync_roles.wait_for_sync()")
			wantError(t, err, "pg_monitor")
			execute(t, owner, "delete from sync_roles.desired_grants where role_name = $1", bob)
			execute(t, owner, "delete from sync_roles.pending")
			if text, retried = ask(); !retried || strings.Count(text, "; ") != 9 {
				t.Errorf("with rows that failed: retried %t, %s", retried, text)
			}
		})
	}
}
