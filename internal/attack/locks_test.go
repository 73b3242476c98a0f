package attack_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// served writes a row of another role and waits until it works.
func (f *field) served(t *testing.T, role, table string) {
	t.Helper()
	f.ask(t, role, table)
	f.until(t, "select has_table_privilege($1, 'sales.' || $2, 'SELECT')", role, table)
}

// begin begins a transaction as a login, which the test ends at the latest.
func (f *field) begin(t *testing.T, role, sql string) pgx.Tx {
	t.Helper()
	tx, err := f.login(t, role).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(t.Context()) })
	if _, err := tx.Exec(t.Context(), sql); err != nil {
		t.Fatalf("as %s run %s: %v", role, sql, err)
	}
	return tx
}

// A writer that holds a lock on its own expired row delays nobody; what the row gave ends all the same, and it is said who holds it.
func TestRowLockDelaysNobody(t *testing.T) {
	t.Parallel()
	for name, lock := range map[string]string{
		"for update":             "select from sync_roles.desired_grants where note = 'mine' for update",
		"for share":              "select from sync_roles.desired_grants where note = 'mine' for share",
		"an upsert":              "update sync_roles.desired_grants set expires_at = now() + interval '1 h' where note = 'mine'",
		"an upsert in savepoint": "savepoint a; update sync_roles.desired_grants set expires_at = now() + interval '1 h' where note = 'mine'; savepoint b",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := installed(t)
			fired, friend, other := f.user(t, "fired"), f.user(t, "friend"), f.user(t, "other")
			f.run(t, f.etl, insert(fired, "orders", "note", "'mine'"))
			f.run(t, f.Daemon, insert(other, "orders"))
			stop := f.start(t)
			f.until(t, "select has_table_privilege($1, 'sales.orders', 'SELECT') and has_table_privilege($2, 'sales.orders', 'SELECT')", fired, other)
			f.run(t, f.Daemon, "update sync_roles.desired_grants set expires_at = now() + interval '3 s'")
			tx := f.login(t, f.etl)
			if _, err := tx.PgConn().Exec(t.Context(), "begin; "+lock).ReadAll(); err != nil {
				t.Fatal(err)
			}
			pid := pgtest.One[string](t, f.Superuser(t), "select pid::text from pg_stat_activity where usename = $1 and state like 'idle in transaction%'", f.etl)

			f.until(t, "select not has_table_privilege($1, 'sales.orders', 'SELECT')", fired)
			f.until(t, "select not has_table_privilege($1, 'sales.orders', 'SELECT')", other)
			started := time.Now()
			f.served(t, friend, "costs")
			if took := time.Since(started); took > 20*time.Second {
				t.Errorf("another role's row took %s", took)
			}
			if f.Can(t, fired, "select from sales.orders") {
				t.Error("what has expired can still be read")
			}
			f.until(t, `select exists (
				select from sync_roles.audit as a, jsonb_array_elements(a.problems) as p
				where a.role_name = $1 and p ->> 'reason' like '%process ' || $2 || ' %' and (p ->> 'grant_id')::bigint = (select id from sync_roles.desired_grants where note = 'mine'))`, fired, pid)
			if n := pgtest.One[int](t, f.Superuser(t), "select count(*) from sync_roles.audit where role_name = $1 and outcome = 'failed'", fired); n != 1 {
				t.Errorf("%d audit rows say that the row is locked, want one", n)
			}

			if _, err := tx.Exec(t.Context(), "rollback"); err != nil {
				t.Fatal(err)
			}
			f.until(t, "select not exists (select from sync_roles.desired_grants where note = 'mine')")
			f.until(t, "select status = 'in_sync' from sync_roles.role_status where role_name = $1 union all select true where not exists (select from sync_roles.role_status where role_name = $1)", fired)
			if r := stop(); r.code != 0 || strings.Contains(r.stderr, "reconnecting") {
				t.Errorf("the loop ended for a lock: exit code %d\n%s", r.code, r.stderr)
			}
		})
	}
}

// A writer that locks the whole table stops no pass that can read it, and holds the cluster's lock from nobody.
func TestTableLock(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"share", "exclusive", "access exclusive"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			f := installed(t)
			fired, friend, late := f.user(t, "fired"), f.user(t, "friend"), f.user(t, "late")
			f.run(t, f.Daemon, insert(fired, "orders"))
			f.ask(t, late, "orders")
			f.start(t, "--lock-timeout", "2s")
			f.until(t, "select has_table_privilege($1, 'sales.orders', 'SELECT')", fired)
			f.until(t, "select has_table_privilege($1, 'sales.orders', 'SELECT')", late)
			f.run(t, f.Daemon, "update sync_roles.desired_grants set expires_at = now() + interval '3 s' where role_name = '"+fired+"'")
			// In the queue when the table is locked, and of a role that the daemon has not looked at.
			tx := f.begin(t, f.etl, "lock table sync_roles.desired_grants in "+mode+" mode")
			pid := tx.Conn().PgConn().PID()
			super := f.Superuser(t)
			if _, err := super.Exec(t.Context(), "revoke select on sales.orders from "+late); err != nil {
				t.Fatal(err)
			}
			if _, err := super.Exec(t.Context(), "insert into sync_roles.pending (role_name) select $1 union all select $1 || i from generate_series(1, 20) as i", late); err != nil {
				t.Fatal(err)
			}
			if _, err := super.Exec(t.Context(), "select pg_notify('sync_roles', '')"); err != nil {
				t.Fatal(err)
			}
			if mode == "access exclusive" {
				// Nobody waits for the table with the cluster's lock, at no time.
				waits := `select count(*) from pg_locks as w join pg_locks as l using (pid)
					where w.relation = 'sync_roles.desired_grants'::regclass and not w.granted
						and l.locktype = 'object' and l.granted and l.classid = 'pg_authid'::regclass and l.mode = 'ShareUpdateExclusiveLock'`
				said := "select count(*) from sync_roles.audit where role_name is null and sqlstate = '55P03' and error like '%process ' || $1 || ' %'"
				for deadline := time.Now().Add(time.Minute); pgtest.One[int](t, super, said, fmt.Sprint(pid)) == 0; {
					if pgtest.One[int](t, super, waits) != 0 {
						t.Fatal("a pass waits for the table with the cluster's lock")
					}
					if time.Now().After(deadline) {
						t.Fatal("the lock is not reported")
					}
				}
				if n := pgtest.One[int](t, super, "select count(*) from sync_roles.audit where outcome = 'failed' and role_name is not null"); n != 0 {
					t.Error("a pass came to a role, and waited for the table")
				}
				if n := pgtest.One[int](t, super, "select count(*) from sync_roles.audit where role_name is null"); n != 1 {
					t.Errorf("%d audit rows say that the table is locked, want one", n)
				}
			} else {
				f.until(t, "select has_table_privilege($1, 'sales.orders', 'SELECT')", late)
				f.until(t, "select not has_table_privilege($1, 'sales.orders', 'SELECT')", fired)
				f.until(t, "select exists (select from sync_roles.audit as a, jsonb_array_elements(a.problems) as p where a.role_name = $1 and p ->> 'reason' like '%process ' || $2 || ' %')", fired, fmt.Sprint(pid))
			}
			if err := tx.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
			started := time.Now()
			f.served(t, friend, "costs")
			f.until(t, "select has_table_privilege($1, 'sales.orders', 'SELECT')", late)
			f.until(t, "select not exists (select from sync_roles.desired_grants where role_name = $1)", fired)
			if took := time.Since(started); took > 30*time.Second {
				t.Errorf("it took %s until all was caught up", took)
			}
			if f.Can(t, fired, "select from sales.orders") {
				t.Error("what has expired can still be read")
			}
		})
	}
}
