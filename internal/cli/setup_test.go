package cli_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// A ward is a database of its own server, with a schema and a table of an owner's.
type ward struct {
	server *pgserver.Server
	super  *pgx.Conn // in that database
	url    string    // as the superuser
	name   string
}

func newWard(t *testing.T, database, owner string) ward {
	t.Helper()
	server, super := newServer(t, map[string]string{})
	if majorOf(t, super) >= 19 {
		database = strings.ReplaceAll(database, "\n", "\t")
	}
	exec(t, super, "create database "+pgx.Identifier{database}.Sanitize())
	w := ward{server: server, url: server.URL(pgserver.Superuser, database), name: database}
	w.super = connectTo(t, w.url)
	exec(t, w.super, "create role "+pgx.Identifier{owner}.Sanitize())
	exec(t, w.super, "create schema app authorization "+pgx.Identifier{owner}.Sanitize())
	exec(t, w.super, "create table app.t1 (id int)")
	exec(t, w.super, "alter table app.t1 owner to "+pgx.Identifier{owner}.Sanitize())
	return w
}

func (w ward) newer(t *testing.T) bool {
	t.Helper()
	return majorOf(t, w.super) >= 16
}

// majorOf is the major version of a connection's server. Since 19, names of roles and databases have no line breaks.
func majorOf(t *testing.T, conn *pgx.Conn) int {
	t.Helper()
	return pgtest.One[int](t, conn, "select current_setting('server_version_num')::int") / 10000
}

// The example scripts are what setup prints, on each version.
func TestSetupExamples(t *testing.T) {
	t.Parallel()
	w := newWard(t, "warehouse", "sales_owner")
	exec(t, w.super, "create role bob")
	exec(t, w.super, "alter schema public owner to sales_owner") // before 15 it is the superuser's
	file := "../../examples/setup-14-15.sql"
	args := []string{"setup", "-d", w.url}
	if w.newer(t) {
		file = "../../examples/setup-16.sql"
		args = append(args, "--manage", "bob")
	}
	got := call(t, args...)
	got.want(t, 0, "COMMIT;", "")
	if os.Getenv("UPDATE_EXAMPLES") != "" {
		if err := os.WriteFile(file, []byte(got.stdout), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.stdout != string(want) {
		t.Errorf("%s is not what setup prints now; UPDATE_EXAMPLES=1 writes it:\n%s", file, got.stdout)
	}
}

// What setup prints is all that a daemon needs, whatever the names are; it can be run again, and changes nothing then.
func TestSetup(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		database, owner, daemon, managed string
		keep                             bool
	}{
		"plain":               {"warehouse", "sales_owner", "sync_daemon", "bob", false},
		"database keeps":      {"warehouse", "sales_owner", "sync_daemon", "bob", true},
		"odd names":           {"ware'house\n$setup$", `sales"owner`, `sync\ 'daemon`, "bob\n; drop table x; --", false},
		"odd names, it keeps": {`ware"house`, `sales owner\`, "$setup$", `"bob"`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t, c.database, c.owner)
			c.database = w.name
			if majorOf(t, w.super) >= 19 {
				c.managed = strings.ReplaceAll(c.managed, "\n", "\t")
			}
			exec(t, w.super, "create role "+pgx.Identifier{c.managed}.Sanitize())
			args := []string{"setup", "-d", w.url, "--role", c.daemon, "--owner", c.owner, "--manage", c.managed}
			if c.keep {
				args = append(args, "--keep-database-owner")
			}
			check := slices.Concat(args, []string{"--check"})
			call(t, check...).want(t, 1, "does not exist\nCREATE ROLE ", "")
			script := call(t, args...)
			script.want(t, 0, "COMMIT;", "")
			for range 2 {
				exec(t, w.super, script.stdout)
				call(t, check...).want(t, 0, "has all that it needs", "")
			}
			if again := call(t, args...); again != script {
				t.Errorf("afterwards another script is printed:\n%s", again.stdout)
			}

			daemon := w.server.URL(c.daemon, c.database)
			call(t, "migrate", "-d", daemon).want(t, 0, "has version", "")
			conn := connectTo(t, daemon)
			exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('alice', 'SELECT', 'table', 'app', 't1')")
			exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name) values ($1, 'USAGE', 'schema', 'app'), ('alice', 'CONNECT', 'database', $2)", c.managed, c.database)
			exec(t, conn, "insert into sync_roles.desired_roles (role_name, login) values ($1, true)", c.managed)
			call(t, "sync", "-d", daemon).want(t, 0, "applied", "")
			if !pgtest.One[bool](t, w.super, "select has_table_privilege('alice', 'app.t1', 'SELECT') and rolcanlogin from pg_roles where rolname = $1", c.managed) {
				t.Error("the daemon does not do what rows say")
			}
			exec(t, conn, "delete from sync_roles.desired_grants")
			call(t, "sync", "-d", daemon).want(t, 0, "applied", "")
			if pgtest.One[bool](t, w.super, "select has_table_privilege('alice', 'app.t1', 'SELECT')") {
				t.Error("alice can still read")
			}

			// What is taken away is found, with what gives it back.
			exec(t, w.super, "revoke "+pgx.Identifier{c.owner}.Sanitize()+" from "+pgx.Identifier{c.daemon}.Sanitize())
			lacks := call(t, check...)
			lacks.want(t, 1, "and grants nothing on what that role owns\nGRANT ", "")
			exec(t, w.super, lacks.stdout)
			call(t, append([]string{"setup", "--check", "-d", daemon}, args[3:]...)...).want(t, 0, "has all that it needs", "") // as the daemon itself
		})
	}
}

// A DBA who is no superuser can run it too, where PostgreSQL has it so; where not, an error leaves everything as it was.
func TestSetupByAnotherDBA(t *testing.T) {
	t.Parallel()
	w := newWard(t, "warehouse", "postgres_owner")
	exec(t, w.super, "create role dba login createrole createdb")
	exec(t, w.super, "create role guest login")
	dba, guest := connectTo(t, w.server.URL("dba", "warehouse")), connectTo(t, w.server.URL("guest", "warehouse"))
	script := call(t, "setup", "-d", w.server.URL("guest", "warehouse"))
	script.want(t, 0, "GRANT \"postgres_owner\" TO \"sync_daemon\"", "")
	for name, conn := range map[string]*pgx.Conn{"dba": dba, "guest": guest} {
		if _, err := conn.Exec(t.Context(), script.stdout); err == nil {
			t.Errorf("%s is no owner of the database, and may give it to another role", name)
		}
		exec(t, conn, "rollback")
	}
	if pgtest.One[bool](t, w.super, "select exists (select from pg_roles where rolname = 'sync_daemon')") {
		t.Error("an error left a role behind")
	}
	exec(t, w.super, "alter database warehouse owner to dba")
	exec(t, w.super, "grant postgres_owner to dba with admin option")
	if !w.newer(t) {
		return
	}
	for range 2 {
		exec(t, dba, script.stdout)
	}
	call(t, "setup", "--check", "-d", w.url).want(t, 0, "has all that it needs", "")
	if pgtest.One[bool](t, w.super, "select pg_has_role('dba', 'sync_daemon', 'USAGE') or pg_has_role('dba', 'sync_daemon', 'SET')") {
		t.Error("the DBA can still become the daemon")
	}
}

// The next daemon of a cluster needs the lock that the first one has.
func TestSetupOfASecondDaemon(t *testing.T) {
	t.Parallel()
	w := newWard(t, "one", "owner_1")
	exec(t, w.super, call(t, "setup", "-d", w.url).stdout)
	call(t, "migrate", "-d", w.server.URL("sync_daemon", "one")).want(t, 0, "has version", "")
	exec(t, w.super, "create database two")
	two := w.server.URL(pgserver.Superuser, "two")
	exec(t, connectTo(t, two), call(t, "setup", "-d", two, "--role", "second").stdout)
	call(t, "setup", "--check", "-d", two, "--role", "second").want(t, 0, "has all", "")
	call(t, "migrate", "-d", w.server.URL("second", "two")).want(t, 0, "has version", "")
	exec(t, w.super, "revoke _pgsr_lock from second cascade")
	if w.newer(t) {
		call(t, "setup", "--check", "-d", two, "--role", "second").want(t, 1, "GRANT _pgsr_lock TO \"second\" WITH ADMIN TRUE", "")
	}
}

// Names that cannot be meant are errors before anything is printed.
func TestSetupBadInput(t *testing.T) {
	t.Parallel()
	w := newWard(t, "db", "app_owner")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--owner", "missing"}, `owner "missing": there is no such role`},
		{[]string{"--manage", "missing"}, `managed role "missing": there is no such role`},
		{[]string{"--owner", "postgres"}, `owner "postgres": it is a superuser`},
		{[]string{"--owner", "pg_monitor"}, "PostgreSQL's own"},
		{[]string{"--role", "pg_daemon"}, "PostgreSQL's own"},
		{[]string{"--role", "_pgsr_lock"}, "those of intermediate roles"},
		{[]string{"--role", "public"}, "PostgreSQL reserves this name"},
		{[]string{"--role", strings.Repeat("x", 64)}, "longer than 63 bytes"},
		{[]string{"--role", "app_owner", "--owner", "app_owner"}, "the daemon's own role"},
	} {
		for _, check := range []string{"", "--check"} {
			args := append([]string{"setup", "-d", w.url}, c.args...)
			if check != "" {
				args = append(args, check)
			}
			call(t, args...).want(t, 1, "", c.want)
		}
	}
	call(t, "setup", "extra", "-d", w.url).want(t, 64, "", "Try: pg-sync-roles setup")
}
