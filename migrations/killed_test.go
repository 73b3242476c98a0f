package migrations_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/migrations"
)

// A migration that was killed leaves golang-migrate's dirty flag at a version of which nothing, or everything, was
// committed. Up goes on by itself from either.
func TestUpAfterADirtyMigration(t *testing.T) {
	t.Parallel()
	for version := 1; version <= migrations.Latest(); version++ {
		for _, committed := range []bool{false, true} {
			t.Run(fmt.Sprintf("version %d committed %t", version, committed), func(t *testing.T) {
				t.Parallel()
				env := pgtest.New(t)
				conn := env.Connect(t, env.Daemon)
				execute(t, conn, "create schema sync_roles; create table sync_roles.schema_migrations (version bigint not null primary key, dirty boolean not null)")
				last := version
				if !committed {
					last--
				}
				for _, sql := range migrationFiles(t)[:last] {
					execute(t, conn, sql)
				}
				execute(t, conn, "insert into sync_roles.schema_migrations values ($1, true)", version)
				up(t, env)
				wantInstalled(t, env)
			})
		}
	}
}

// The two records can also disagree without a dirty flag: a kill between the last transaction of one version and the first
// of the next, or a restore. What was committed counts.
func TestUpBelievesWhatWasCommitted(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]string{
		"no row":   "truncate sync_roles.schema_migrations",
		"too low":  "update sync_roles.schema_migrations set version = 1",
		"no table": "drop table sync_roles.schema_migrations",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := installed(t)
			execute(t, env.Connect(t, env.Daemon), set)
			up(t, env)
			wantInstalled(t, env)
		})
	}
}

func migrationFiles(tb testing.TB) []string {
	tb.Helper()
	paths, err := filepath.Glob("*.up.sql")
	if err != nil {
		tb.Fatal(err)
	}
	slices.Sort(paths)
	var texts []string
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			tb.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	return texts
}

const installEnv = "PGSR_TEST_INSTALL"

// installAndDie is the other process of TestUpAfterAKill.
func installAndDie() {
	url := os.Getenv(installEnv)
	if url == "" {
		return
	}
	config, err := pgx.ParseConfig(url)
	if err == nil {
		_, err = migrations.Up(context.Background(), config)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// A process that is really killed in the middle of each migration.
func TestUpAfterAKill(t *testing.T) {
	t.Parallel()
	for _, object := range []string{"sync_roles.desired_roles", "sync_roles.objects", "sync_roles.enqueue_new()", "sync_roles.grant_status"} {
		t.Run(object, func(t *testing.T) {
			t.Parallel()
			env := pgtest.New(t)
			super := env.Superuser(t)
			// Whoever creates the object waits for us, in the middle of its transaction.
			execute(t, super, "alter role "+env.Daemon+" set client_connection_check_interval = '10ms'")
			execute(t, super, `create function public.stop_here() returns event_trigger language plpgsql as $$
				begin
					perform pg_advisory_xact_lock(4711) from pg_event_trigger_ddl_commands() as c where c.object_identity = '`+object+`' and c.command_tag like 'CREATE%';
				end $$`)
			execute(t, super, "create event trigger stop_here on ddl_command_end execute function public.stop_here()")
			execute(t, super, "select pg_advisory_lock(4711)")

			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			process := exec.CommandContext(t.Context(), self)
			process.Env = append(os.Environ(), installEnv+"="+env.URL(env.Daemon))
			if err := process.Start(); err != nil {
				t.Fatal(err)
			}
			until(t, super, "select exists (select from pg_locks where locktype = 'advisory' and objid = 4711 and not granted and database = (select oid from pg_database where datname = current_database()))")
			if err := process.Process.Kill(); err != nil { // SIGKILL
				t.Fatal(err)
			}
			_ = process.Wait()
			until(t, super, "select not exists (select from pg_stat_activity where usename = $1)", env.Daemon)
			execute(t, super, "drop event trigger stop_here")

			if !pgtest.One[bool](t, super, "select dirty from sync_roles.schema_migrations") {
				t.Error("the kill came too late: nothing is dirty")
			}
			up(t, env)
			wantInstalled(t, env)
		})
	}
}

// until asks the server again and again, until it says true.
func until(tb testing.TB, conn *pgx.Conn, sql string, args ...any) {
	tb.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if pgtest.One[bool](tb, conn, sql, args...) {
			return
		}
		execute(tb, conn, "select pg_sleep(0.01)")
	}
	tb.Fatalf("never true: %s", sql)
}
