package cli_test

import (
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// With event triggers, DDL and grants by hand are noticed without a rescan; without, they are not.
func TestEventTriggers(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	super := env.Superuser(t)
	alice, bob := env.Role("alice"), env.Role("bob")
	on(t, env, "migrate", "--event-triggers").want(t, 1, "has version", "superuser")
	migrate := func(flag string) {
		t.Helper()
		call(t, "migrate", flag, "-d", env.URL(pgserver.Superuser)).want(t, 0, "event triggers", "")
	}
	migrate("--event-triggers")
	migrate("--event-triggers") // once more

	exec(t, conn, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match) values
		($1, 'SELECT', 'table', 'app', 'new%', 'like'), ($1, 'SELECT', 'table', 'app', 't1', 'exact'), ($2, 'SELECT', 'table', 'app', 't1', 'exact')`, alice, bob)
	defer start(t, "-d", env.URL(env.Daemon))()
	exec(t, conn, "select sync_roles.wait_for_sync($1)", bob)
	can := "select has_table_privilege($1, $2, 'SELECT')"
	asOwner := func(sql string) {
		t.Helper()
		env.Exec(t, "set role "+env.Owner+"; "+sql)
	}

	asOwner("create table app.new1 (id int)")
	until(t, super, can, alice, "app.new1")
	asOwner("create table app.t1_tmp (id int); alter table app.t1 rename to t1_old; alter table app.t1_tmp rename to t1")
	until(t, super, can, alice, "app.t1")
	until(t, super, can, bob, "app.t1")
	until(t, super, "select not "+can[len("select "):], alice, "app.t1_old")
	asOwner("revoke select on app.t1 from " + alice)
	until(t, super, can, alice, "app.t1")
	asOwner("drop table app.t1")
	until(t, super, "select exists (select from sync_roles.audit where role_name = $1 and cause = 'ddl' and outcome = 'waiting')", bob)
	if pgtest.One[bool](t, super, can, bob, "app.new1") {
		t.Error("bob can read what no row gives")
	}

	// What the daemon does itself is no DDL to look for.
	exec(t, super, "listen sync_roles")
	exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ($1, 'SELECT', 'table', 'app', 'new1')", bob)
	until(t, super, can, bob, "app.new1")
	exec(t, super, "notify sync_roles") // notifications come in the order of commits: this is the last
	for own := false; !own; {
		n, err := super.WaitForNotification(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n.Payload == "ddl" {
			t.Error("what the daemon grants looks like DDL")
		}
		own = n.PID == super.PgConn().PID()
	}
	exec(t, super, "unlisten sync_roles")

	migrate("--event-triggers=false")
	migrate("--event-triggers=false")
	if n := pgtest.One[int](t, super, "select count(*) from pg_event_trigger"); n != 0 {
		t.Errorf("%d event triggers are left", n)
	}
	migrate("--event-triggers")
	exec(t, conn, "delete from sync_roles.desired_grants")
	on(t, env, "migrate", "down", "--force").want(t, 0, "Removed", "")
	asOwner("create table app.after (id int)")
	// Those of a superuser's schema, in which changes by hand are kept, are left to a superuser.
	const left = "select count(*) from pg_event_trigger as e join pg_proc as p on p.oid = e.evtfoid where p.pronamespace "
	if n := pgtest.One[int](t, super, left+"<> 'sync_roles_hand'::regnamespace"); n != 0 {
		t.Errorf("%d event triggers are left after down", n)
	}
	migrate("--event-triggers=false")
	if n := pgtest.One[int](t, super, "select count(*) from pg_event_trigger"); n != 0 {
		t.Errorf("%d event triggers are left", n)
	}
}
