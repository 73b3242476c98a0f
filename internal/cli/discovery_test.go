package cli_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// newTenant makes a database with a table of the daemon's, and connects to it.
func newTenant(t *testing.T, server *pgserver.Server, super *pgx.Conn, name string) *pgx.Conn {
	t.Helper()
	exec(t, super, "create database "+pgx.Identifier{name}.Sanitize()+" owner daemon")
	conn := connectTo(t, server.URL(pgserver.Superuser, name))
	exec(t, conn, "create table public.t (id int)")
	exec(t, conn, "alter table public.t owner to daemon")
	return conn
}

// served waits until a database has the schema, and then checks that rows are granted, and taken away.
func served(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	until(t, conn, ready)
	exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('alice', 'SELECT', 'table', 'public', 't')")
	exec(t, conn, "select sync_roles.wait_for_sync('alice')")
	if !pgtest.One[bool](t, conn, "select has_table_privilege('alice', 'public.t', 'select')") {
		t.Error("alice cannot read")
	}
	exec(t, conn, "delete from sync_roles.desired_grants")
	exec(t, conn, "select sync_roles.wait_for_sync('alice')")
	if pgtest.One[bool](t, conn, "select has_table_privilege('alice', 'public.t', 'select')") {
		t.Error("alice can still read")
	}
}

// The databases that match a pattern are served while they are there, and no others are touched: not even the one that the daemon connects to first.
func TestDatabasesByPattern(t *testing.T) {
	t.Parallel()
	server, super := newServer(t, map[string]string{})
	exec(t, super, "create role daemon login createrole")
	exec(t, super, "create role alice")
	first, quoted, other := newTenant(t, server, super, "tenant_1"), newTenant(t, server, super, `tenant_ "two" é`), newTenant(t, server, super, "tenant2")
	exec(t, super, "create database tenant_template owner daemon is_template true")
	exec(t, super, "create database tenant_foreign") // in which the daemon may create nothing
	exec(t, super, "revoke create on database tenant_foreign from public")

	f := startFleet(t, "-d", server.URL("daemon", "postgres"), "--databases", `tenant\_%`)
	m := f.monitored(super)
	served(t, first)
	served(t, quoted)
	m.until(t, "/readyz", `database "tenant_foreign": not connected (a right is missing)`)
	exec(t, super, "drop database tenant_foreign")

	third := newTenant(t, server, super, "tenant_3") // comes later
	served(t, third)
	m.until(t, "/metrics", "\npg_sync_roles_listening{database=\"tenant_3\"} 1\n")

	// Renamed, with the daemon in it, it is served under its new name.
	_ = third.Close(t.Context())
	exec(t, super, "alter database tenant_3 allow_connections false")
	f.line(t, func(l logLine) bool { return l.Database == "tenant_3" && l.Message == "stopped" })
	until(t, super, "select not exists (select from pg_stat_activity where datname = 'tenant_3')")
	exec(t, super, "alter database tenant_3 rename to tenant_three")
	exec(t, super, "alter database tenant_three allow_connections true")
	served(t, connectTo(t, server.URL(pgserver.Superuser, "tenant_three")))

	// A database that lets no sessions in is left, and can then be dropped without force; another of its name is served.
	_ = first.Close(t.Context())
	exec(t, super, "alter database tenant_1 allow_connections false")
	f.line(t, func(l logLine) bool { return l.Database == "tenant_1" && l.Message == "stopped" })
	until(t, super, "select not exists (select from pg_stat_activity where datname = 'tenant_1')")
	exec(t, super, "drop database tenant_1")
	if _, metrics := m.get(t, "/metrics"); strings.Contains(metrics, `"tenant_1"`) {
		t.Error("the metrics still have a database that is gone")
	}
	served(t, newTenant(t, server, super, "tenant_1"))

	// One that is dropped by force, and there again at once, is another.
	exec(t, super, "drop database tenant_1 with (force)")
	served(t, newTenant(t, server, super, "tenant_1"))

	m.until(t, "/readyz", "ok\n")
	for name, conn := range map[string]*pgx.Conn{"tenant2": other, "postgres": super} {
		if pgtest.One[bool](t, conn, "select exists (select from pg_namespace where nspname = 'sync_roles')") {
			t.Errorf("database %s does not match, and has the schema", name)
		}
	}
	if code := f.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, f.log)
	}
}

// While the databases cannot be listed, those that are known are served, and readiness says so.
func TestDatabasesThatCannotBeListed(t *testing.T) {
	t.Parallel()
	server, super := newServer(t, map[string]string{})
	exec(t, super, "create role daemon login createrole")
	exec(t, super, "create role alice")
	exec(t, super, "create database entry owner daemon")
	tenant := newTenant(t, server, super, "tenant_1")
	f := startFleet(t, "-d", server.URL("daemon", "entry"), "--databases", "tenant%")
	m := f.monitored(super)
	served(t, tenant)
	exec(t, super, "alter database entry rename to elsewhere")
	m.until(t, "/readyz", "the databases of the server cannot be listed: the database does not exist\n")
	served(t, tenant)
	exec(t, super, "alter database elsewhere rename to entry")
	m.until(t, "/readyz", "ok\n")
	if code := f.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, f.log)
	}
}

// A pattern that matches nothing, or that is none, is an error before anything is done.
func TestDatabasesBadInput(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	url := env.URL(env.Daemon)
	call(t, "run", "-d", url, "--databases", "no_such_%", "--databases", "tenant_*").want(t, 1, "",
		"no database of the server matches --databases no_such_%, tenant_*: * and ? stand for themselves; % stands for any characters")
	call(t, "run", "-d", url, "--databases", "").want(t, 64, "", "--databases: the pattern is empty")
	call(t, "run", "-d", url, "--databases", `x\`).want(t, 64, "", "ends with a backslash")
	call(t, "run", "-d", url, "-d", url, "--databases", "x").want(t, 64, "", "2 connection strings are given")
	// Where none of them can be served, and waiting does not help, it ends as without a pattern.
	env.Exec(t, "alter role "+env.Daemon+" nocreaterole")
	call(t, "run", "-d", url, "--databases", strings.ReplaceAll(env.Database, "_", `\_`)).want(t, 1, "", "lacks CREATEROLE")
}
