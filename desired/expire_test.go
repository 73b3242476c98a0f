package desired_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/desired"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// A row that another session has locked, alone or with the whole table, is not waited for: it is withdrawn, stays, and goes when the lock does.
func TestExpireWaitsForNoLock(t *testing.T) {
	t.Parallel()
	for name, lock := range map[string]string{
		"row":       "select from sync_roles.desired_grants where object_name = 'a' for key share",
		"savepoint": "savepoint a; update sync_roles.desired_grants set note = 'x' where object_name = 'a'; savepoint b",
		"table":     "lock table sync_roles.desired_grants in share mode",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := pgtest.New(t)
			conn := installedIn(t, env)
			exec(t, conn, `insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name, expires_at) values
				('alice', 'USAGE', 'schema', 'a', now() - interval '1 s'), ('bob', 'USAGE', 'schema', 'b', now() - interval '1 s')`)
			exec(t, conn, "delete from sync_roles.shortened_grants")
			other := env.Connect(t, env.Daemon)
			if _, err := other.PgConn().Exec(t.Context(), "begin; "+lock).ReadAll(); err != nil {
				t.Fatal(err)
			}
			want := map[string]int{"alice": 1}
			if name == "table" {
				want["bob"] = 1
			}
			for range 2 {
				ended, err := desired.Expire(t.Context(), conn, 10, 1000, nil)
				if err != nil {
					t.Fatal(err)
				}
				got := map[string]int{}
				for _, k := range ended.Kept {
					got[k.Role]++
					if holder := fmt.Sprintf("process %d (%s)", other.PgConn().PID(), env.Daemon); k.Holder != holder || k.ID == 0 {
						t.Errorf("row %d is locked by %q, want %q", k.ID, k.Holder, holder)
					}
				}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("kept are %v, want %v", got, want)
				}
			}
			if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.withdrawn where expired"); n != 2 {
				t.Errorf("%d rows are withdrawn, want 2", n)
			}
			if _, err := other.Exec(t.Context(), "rollback"); err != nil {
				t.Fatal(err)
			}
			ended, err := desired.Expire(t.Context(), conn, 10, 1000, nil)
			if err != nil || len(ended.Kept) > 0 {
				t.Errorf("kept are %v, %v, and nobody holds a lock", ended.Kept, err)
			}
			if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.desired_grants"); n != 0 {
				t.Errorf("%d rows are left", n)
			}
		})
	}
}

func installedIn(tb testing.TB, env *pgtest.Env) *pgx.Conn {
	tb.Helper()
	conn := env.Connect(tb, env.Daemon)
	install(tb, conn)
	return conn
}
