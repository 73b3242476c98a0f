package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// pids lists the daemon's connections, but for that of the test.
const pids = "select pid from pg_stat_activity where usename = $1 and application_name like 'pg-sync-roles%'"

// What ends a daemon's connections costs a moment, and nothing that was written meanwhile.
func TestRunLosesConnections(t *testing.T) {
	t.Parallel()
	for name, application := range map[string]string{"both": "pg-sync-roles%", "that works": "pg-sync-roles", "that listens": "pg-sync-roles listener"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, conn := installed(t)
			stop := start(t, "-d", env.URL(env.Daemon))
			super := env.Superuser(t)
			until(t, super, "select count(*) = 2 from ("+pids+") as p", env.Daemon)
			for i := range 3 {
				role := env.Role("user" + string(rune('a'+i)))
				exec(t, super, "select pg_terminate_backend(pid) from pg_stat_activity where usename = $1 and application_name like $2", env.Daemon, application)
				give(t, env, conn, role)
				exec(t, conn, "select sync_roles.wait_for_sync($1)", role)
				if !env.Can(t, role, "select from app.t1") {
					t.Errorf("%s cannot read", role)
				}
			}
			stop().want(t, 0, "", "stopped")
		})
	}
}

// While the server takes no connection of the daemon, it waits, also at its start, and is there when it does.
func TestRunWaitsForAConnection(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	super := env.Superuser(t)
	env.Exec(t, "alter role "+env.Daemon+" connection limit 1")
	stop := start(t, "-d", env.URL(env.Daemon))
	alice := env.Role("alice")
	give(t, env, conn, alice)
	env.Exec(t, "alter role "+env.Daemon+" connection limit -1")
	until(t, super, "select count(*) = 2 from ("+pids+") as p", env.Daemon)
	exec(t, conn, "select sync_roles.wait_for_sync($1)", alice)
	stop().want(t, 0, "", "stopped")
}

// A database that was dropped and made again is a new one, and gets the schema. A schema that was removed stays removed.
func TestRunLosesDatabaseOrSchema(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	super := env.Superuser(t)
	const installed = "select exists (select from pg_stat_activity where datname = $1 and usename = $2 and application_name = 'pg-sync-roles listener')"
	name := env.Prefix + "lost"
	env.Exec(t, "create database "+name+" owner "+env.Daemon)
	defer env.Exec(t, "drop database "+name+" with (force)")
	url := strings.ReplaceAll(env.URL(env.Daemon), env.Database, name)
	stop := start(t, "-d", url)
	until(t, super, installed, name, env.Daemon)
	env.Exec(t, "drop database "+name+" with (force)")
	env.Exec(t, "create database "+name+" owner "+env.Daemon)
	until(t, super, installed, name, env.Daemon)
	call(t, "status", "-d", url).want(t, 0, "ROLE", "")

	call(t, "migrate", "down", "-d", url).want(t, 0, "Removed", "")
	env.Exec(t, "select pg_terminate_backend(pid) from pg_stat_activity where datname = '"+name+"'")
	call(t, "status", "-d", url).want(t, 1, "", "no schema sync_roles")
	stop().want(t, 0, "", "*")
}

// Of several hosts the one that accepts writes is used.
func TestRunWithSeveralHosts(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	give(t, env, conn, env.Role("alice"))
	port := pgtest.One[string](t, conn, "select current_setting('port')")
	// The same server by two names; here the settings make one of them, as a standby, take no writes.
	service := filepath.Join(t.TempDir(), "services")
	if err := os.WriteFile(service, []byte("[both]\nhost=localhost,127.0.0.1\nport="+port+","+port+"\ndbname="+env.Database+"\nuser="+env.Daemon+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	both := "service=both servicefile=" + service + " sslmode=disable"
	call(t, "sync", "--lock-timeout", "1m", "-d", both).want(t, 0, env.Role("alice"), "")
	env.Exec(t, "alter role "+env.Daemon+" in database "+env.Database+" set default_transaction_read_only = on")
	call(t, "sync", "-d", both).want(t, 1, "", "none of the servers accepts writes")
	env.Exec(t, "alter role "+env.Daemon+" in database "+env.Database+" reset default_transaction_read_only")
	call(t, "sync", "--lock-timeout", "1m", "-d", both).want(t, 0, "Nothing to do", "")
}
