package desired_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/desired"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/migrations"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func installed(tb testing.TB) *pgx.Conn {
	tb.Helper()
	return installedIn(tb, pgtest.New(tb))
}

func install(tb testing.TB, conn *pgx.Conn) {
	tb.Helper()
	if _, err := migrations.Up(tb.Context(), conn.Config()); err != nil {
		tb.Fatal(err)
	}
}

func exec(tb testing.TB, conn *pgx.Conn, sql string, args ...any) {
	tb.Helper()
	if _, err := conn.Exec(tb.Context(), sql, args...); err != nil {
		tb.Fatalf("run %s: %v", sql, err)
	}
}

// ask writes requests by hand, "role by" each.
func ask(tb testing.TB, conn *pgx.Conn, requests ...[2]string) {
	tb.Helper()
	for _, r := range requests {
		exec(tb, conn, "insert into sync_roles.pending (role_name, requested_by) values (nullif($1, ''), $2)", r[0], r[1])
	}
}

func show(requests []desired.Request) string {
	return fmt.Sprint(requests)
}

// Take removes all requests of the roles that have waited longest, and says who asked for each.
func TestTake(t *testing.T) {
	t.Parallel()
	conn := installed(t)
	ask(t, conn, [2]string{"zoe", "etl"}, [2]string{"bob", "etl"}, [2]string{"alice", "dbt"}, [2]string{"zoe", "app"}, [2]string{"zoe", "etl"})

	take := func(limit int, want string) {
		t.Helper()
		got, err := desired.Take(t.Context(), conn, limit, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if show(got) != want {
			t.Errorf("took %s, want %s", show(got), want)
		}
	}
	take(2, "[{bob [etl] []} {zoe [app etl] []}]")
	if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.pending"); n != 1 {
		t.Errorf("%d requests are left, want alice's", n)
	}
	take(2, "[{alice [dbt] []}]")
	take(2, "[]")
}

// One role with very many requests does not keep the others waiting for ever, and none is lost.
func TestTakeFromALongQueue(t *testing.T) {
	t.Parallel()
	conn := installed(t)
	exec(t, conn, "insert into sync_roles.pending (role_name) select 'noisy' from generate_series(1, 5000)")
	exec(t, conn, "insert into sync_roles.pending (role_name) select 'role' || i from generate_series(1, 30) as i")
	taken := map[string]int{}
	for range 100 {
		got, err := desired.Take(t.Context(), conn, 10, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 {
			break
		}
		if len(got) > 10 {
			t.Fatalf("took %d roles, want at most 10", len(got))
		}
		for _, r := range got {
			taken[r.Role]++
		}
	}
	if len(taken) != 31 || taken["noisy"] != 1 {
		t.Errorf("took %d roles, want 31, each once: %v", len(taken), taken)
	}
	if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.pending"); n != 0 {
		t.Errorf("%d requests are left", n)
	}
}

// A pass holds the lock while it does what was taken: however many roles wait, it takes those with few rows together, and one with many by itself. A request
// that is about names is about few.
func TestTakeFewRows(t *testing.T) {
	t.Parallel()
	conn := installed(t)
	exec(t, conn, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name)
		select r.name, 'SELECT', 'table', 's', 't' || i
		from (values ('a', 2), ('b', 2), ('c', 50), ('d', 2), ('e', 50), ('f', 50), ('g', 1)) as r (name, rows), generate_series(1, r.rows) as i`)
	exec(t, conn, "delete from sync_roles.desired_grants where role_name = 'd'") // withdrawn rows count as well
	exec(t, conn, "truncate sync_roles.pending")
	for _, role := range []string{"a", "b", "c", "d"} {
		ask(t, conn, [2]string{role, "etl"})
	}
	exec(t, conn, "insert into sync_roles.pending (role_name, object_names) values ('e', '{t1}'), ('f', '{t1,t2}')")
	ask(t, conn, [2]string{"g", "etl"})
	for _, want := range []string{"a b c", "d e f", "g", ""} {
		got, err := desired.Take(t.Context(), conn, 10, 5)
		if err != nil {
			t.Fatal(err)
		}
		var roles []string
		for _, r := range got {
			roles = append(roles, r.Role)
		}
		if strings.Join(roles, " ") != want {
			t.Errorf("took %v, want %s", roles, want)
		}
	}
}

// Take leaves requests for every role alone: Expand makes requests for each role of them, with who asked.
func TestExpand(t *testing.T) {
	t.Parallel()
	conn := installed(t)
	exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name) values ('alice', 'USAGE', 'schema', 'a'), ('alice', 'USAGE', 'schema', 'b')")
	exec(t, conn, "insert into sync_roles.desired_roles (role_name) values ('alice'), ('bob')")
	exec(t, conn, "delete from sync_roles.pending")
	expand := func(want bool) {
		t.Helper()
		if got, err := desired.Expand(t.Context(), conn); err != nil || got != want {
			t.Errorf("expanded %t, %v, want %t", got, err, want)
		}
	}
	expand(false)
	ask(t, conn, [2]string{"", "admin"}, [2]string{"", "admin"}, [2]string{"", "dbt"})
	if got, err := desired.Take(t.Context(), conn, 10, 1000); err != nil || len(got) != 0 {
		t.Errorf("took %v, %v, want nothing before it is expanded", got, err)
	}
	expand(true)
	expand(false)
	got, err := desired.Take(t.Context(), conn, 10, 1000)
	if want := "[{alice [admin dbt] []} {bob [admin dbt] []}]"; err != nil || show(got) != want {
		t.Errorf("took %s, %v, want %s", show(got), err, want)
	}
}

// A role whose last row is gone, and that still has to be dealt with, is one of "every role".
func TestExpandReachesWhatIsWithdrawn(t *testing.T) {
	t.Parallel()
	conn := installed(t)
	exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name) values ('alice', 'USAGE', 'schema', 'a')")
	exec(t, conn, "delete from sync_roles.desired_grants")
	exec(t, conn, "delete from sync_roles.pending")
	ask(t, conn, [2]string{"", "admin"})
	if _, err := desired.Expand(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	got, err := desired.Take(t.Context(), conn, 10, 1000)
	if err != nil || show(got) != "[{alice [admin] []}]" {
		t.Errorf("took %s, %v, want alice", show(got), err)
	}
}

// TakeFor takes these roles' requests and leaves the others'.
func TestTakeFor(t *testing.T) {
	t.Parallel()
	conn := installed(t)
	ask(t, conn, [2]string{"alice", "etl"}, [2]string{"bob", "etl"}, [2]string{"alice", "app"})
	got, err := desired.TakeFor(t.Context(), conn, []string{"alice", "nobody"})
	if want := "[{alice [app etl] []}]"; err != nil || show(got) != want {
		t.Errorf("took %s, %v, want %s", show(got), err, want)
	}
	if left := pgtest.One[string](t, conn, "select string_agg(role_name, ',') from sync_roles.pending"); left != "bob" {
		t.Errorf("left are %s, want bob", left)
	}
}

// Managed is whoever has a row in any table, once, in order; also a role that only has to be dealt with once more.
func TestManaged(t *testing.T) {
	t.Parallel()
	conn := installed(t)
	managed := func(want ...string) {
		t.Helper()
		got, err := desired.Managed(t.Context(), conn)
		if err != nil || !slices.Equal(got, want) && len(got)+len(want) > 0 {
			t.Errorf("managed are %q, %v, want %q", got, err, want)
		}
	}
	managed()
	exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name) select r, 'USAGE', 'schema', s from unnest('{bob,Alice,\"od d\"}'::text[]) as r, unnest('{a,b}'::text[]) as s")
	exec(t, conn, "insert into sync_roles.desired_roles (role_name) values ('bob'), ('carol')")
	exec(t, conn, "delete from sync_roles.pending")
	want := pgtest.One[[]string](t, conn, "select array_agg(n order by n) from unnest('{Alice,bob,carol,\"od d\"}'::text[]) as n")
	managed(want...)

	exec(t, conn, "delete from sync_roles.desired_grants; delete from sync_roles.desired_roles")
	managed(want...)
	exec(t, conn, "delete from sync_roles.pending")
	managed(slices.DeleteFunc(slices.Clone(want), func(s string) bool { return s == "carol" })...)
	exec(t, conn, "delete from sync_roles.withdrawn")
	managed()
}

// What has expired is deleted, what has not stays; its roles are named, and what it gave is kept in withdrawn.
func TestExpire(t *testing.T) {
	t.Parallel()
	conn := installed(t)
	exec(t, conn, `insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name, expires_at) values
		('alice', 'USAGE', 'schema', 'a', now() - interval '1 s'), ('alice', 'USAGE', 'schema', 'b', now() - interval '1 year'), ('alice', 'USAGE', 'schema', 'c', now() + interval '1 h'),
		('bob', 'USAGE', 'schema', 'a', '-infinity'), ('carol', 'USAGE', 'schema', 'a', 'infinity'), ('dave', 'USAGE', 'schema', 'a', null)`)
	exec(t, conn, "delete from sync_roles.pending")
	expire := func(limit int, want ...string) {
		t.Helper()
		ended, err := desired.Expire(t.Context(), conn, limit, 1000, nil)
		if len(ended.Kept) > 0 {
			t.Errorf("nobody holds a lock, and rows are kept: %v", ended.Kept)
		}
		got := ended.Roles
		if err != nil || !slices.Equal(got, want) && len(got)+len(want) > 0 {
			t.Errorf("expired for %v, %v, want %v", got, err, want)
		}
	}
	expire(1, "alice")
	expire(10, "bob")
	expire(10)
	if left := pgtest.One[string](t, conn, "select string_agg(role_name || ' ' || object_name, ',' order by role_name) from sync_roles.desired_grants"); left != "alice c,carol a,dave a" {
		t.Errorf("left are %s", left)
	}
	if got := pgtest.One[string](t, conn, "select string_agg(role_name || ' ' || object_name, ',' order by id) from sync_roles.withdrawn"); got != "alice a,alice b,bob a" && got != "alice b,alice a,bob a" {
		t.Errorf("withdrawn are %s", got)
	}
	if got := pgtest.One[string](t, conn, "select string_agg(role_name, ',' order by role_name) from sync_roles.pending"); got != "alice,bob" {
		t.Errorf("pending are %s", got)
	}
}
