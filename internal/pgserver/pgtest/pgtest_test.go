package pgtest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestRolesOfAnEnv(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	super := env.Superuser(t)

	type role struct{ Login, Createrole, Superuser bool }
	read := func(name string) role {
		return role{
			Login:      pgtest.One[bool](t, super, "select rolcanlogin from pg_roles where rolname = $1", name),
			Createrole: pgtest.One[bool](t, super, "select rolcreaterole from pg_roles where rolname = $1", name),
			Superuser:  pgtest.One[bool](t, super, "select rolsuper from pg_roles where rolname = $1", name),
		}
	}
	if got, want := read(env.Daemon), (role{Login: true, Createrole: true}); got != want {
		t.Errorf("daemon is %+v, want %+v", got, want)
	}
	if got, want := read(env.Owner), (role{}); got != want {
		t.Errorf("owner is %+v, want %+v", got, want)
	}
	if got := pgtest.One[string](t, super, "select datdba::regrole::text from pg_database where datname = current_database()"); got != env.Daemon {
		t.Errorf("the database belongs to %q, want %q", got, env.Daemon)
	}
	if got, want := pgtest.One[int](t, super, "select current_setting('server_version_num')::int / 10000"), env.Version; got != want {
		t.Errorf("version %d, want %d", want, got)
	}
}

// The daemon can do what design and README ask of it: work for the owner, and lock.
func TestDaemonOfAnEnv(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	env.Exec(t, "create schema authorization "+env.Owner)

	for _, sql := range []string{
		"set local role " + env.Owner + "; create schema app; create table app.t (id int)",
		"create table " + env.Owner + ".t (id int); drop table " + env.Owner + ".t",
		"create role " + env.Role("new"),
		"comment on role _pgsr_lock is null",
	} {
		if !env.Can(t, env.Daemon, sql) {
			t.Errorf("the daemon may not: %s", sql)
		}
	}
	if env.Can(t, env.Daemon, "create role "+env.Role("boss")+" superuser") {
		t.Error("the daemon may make superusers")
	}
}

func TestCanFollowsPrivileges(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	alice := env.Role("alice")
	env.Exec(t, "create role "+alice+" login")
	env.Exec(t, "create table t (id int)")

	check := func(sql string, want bool) {
		t.Helper()
		if got := env.Can(t, alice, sql); got != want {
			t.Errorf("can %s: %t, want %t", sql, got, want)
		}
	}
	check("select 1", false) // no CONNECT
	env.Exec(t, "grant connect on database "+env.Database+" to "+alice)
	check("select 1", true)

	check("select from t", false)
	env.Exec(t, "grant select, delete on t to "+alice)
	check("select from t", true)
	env.Exec(t, "insert into t values (1)")
	check("delete from t", true)
	if got := pgtest.One[int](t, env.Superuser(t), "select count(*) from t"); got != 1 {
		t.Errorf("%d rows after Can, want 1: it must roll back", got)
	}
	env.Exec(t, "revoke select on t from "+alice)
	check("select from t", false)
}

func TestTryConnectReturnsTheError(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	_, err := env.TryConnect(t.Context(), env.Role("nobody"))
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "28000" {
		t.Errorf("got %v, want SQLSTATE 28000", err)
	}
}

// Whatever a test leaves, sessions and odd roles included, is gone after it.
func TestNothingIsLeft(t *testing.T) { //nolint:tparallel // it looks at what its subtest left
	t.Parallel()
	watcher := pgtest.New(t)
	var prefix, database, intermediate string

	t.Run("leaves much", func(t *testing.T) {
		env := pgtest.New(t)
		prefix, database = env.Prefix, env.Database
		open, err := env.TryConnect(t.Context(), env.Daemon) // not closed by a Cleanup
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = open.Close(context.WithoutCancel(t.Context())) })

		oid := pgtest.One[uint32](t, open, "select oid from pg_database where datname = current_database()")
		intermediate = fmt.Sprintf("_pgsr_%d_x", oid)
		grantee := pgx.Identifier{env.Role(`Odd "name`)}.Sanitize()
		env.Exec(t, "create role "+intermediate+"; create role "+grantee+"; grant "+intermediate+" to "+grantee)
		env.Exec(t, "grant all on database "+database+" to "+grantee)
		env.Exec(t, "grant usage on language plpgsql to "+grantee+" with grant option")
		env.Exec(t, "grant create on tablespace pg_default to "+grantee) // not in the database
		env.Exec(t, "create schema authorization "+grantee)
		if _, err := open.Exec(t.Context(), "create role "+env.Role("second")); err != nil {
			t.Fatal(err)
		}
	})

	super := watcher.Superuser(t)
	left := pgtest.One[int](t, super,
		"select count(*) from pg_roles where starts_with(rolname, $1) or rolname = $2", prefix, intermediate)
	if left != 0 {
		t.Errorf("%d roles are left", left)
	}
	if left := pgtest.One[int](t, super, "select count(*) from pg_database where datname = $1", database); left != 0 {
		t.Error("the database is left")
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	for i := range 16 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			env := pgtest.New(t)
			if got := pgtest.One[string](t, env.Connect(t, env.Daemon), "select current_database()"); got != env.Database {
				t.Errorf("connected to %q, want %q", got, env.Database)
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	pgtest.Server(b)
	for b.Loop() {
		pgtest.New(b)
	}
}
