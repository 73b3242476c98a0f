package cli_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// site is one of the servers of docs/hub.md.
type site struct {
	server       *pgserver.Server
	super, owner *pgx.Conn
}

func newSite(t *testing.T) site {
	t.Helper()
	server, conn := newServer(t, map[string]string{"wal_level": "logical"})
	exec(t, conn, "create role sync_daemon login createrole")
	exec(t, conn, "create database warehouse owner sync_daemon")
	call(t, "migrate", "-d", server.URL("sync_daemon", "warehouse")).want(t, 0, "has version", "")
	return site{server, connectTo(t, server.URL(pgserver.Superuser, "warehouse")), connectTo(t, server.URL("sync_daemon", "warehouse"))}
}

// recipe runs the blocks of docs/hub.md by their names.
type recipe struct {
	blocks map[string]readmeBlock
	hub    site
}

func readRecipe(t *testing.T, hub site) recipe {
	t.Helper()
	text, err := os.ReadFile("../../docs/hub.md")
	if err != nil {
		t.Fatal(err)
	}
	r := recipe{map[string]readmeBlock{}, hub}
	for _, b := range pageBlocks(t, "docs/hub.md", string(text)) {
		r.blocks[b.name] = b
	}
	return r
}

// run runs a block once, at a site.
func (r recipe) run(t *testing.T, at site, name string) {
	t.Helper()
	b, ok := r.blocks[name]
	if !ok {
		t.Fatalf("docs/hub.md has no block %q", name)
	}
	delete(r.blocks, name)
	conn := at.owner
	if b.role == pgserver.Superuser {
		conn = at.super
	}
	for _, sql := range b.statements {
		exec(t, conn, strings.ReplaceAll(sql, "host=hub.example.com", fmt.Sprintf("host=127.0.0.1 port=%d", r.hub.server.Port())))
	}
}

// Rows that are written at a hub give and take access at the spoke that they are for, and at no other; the spoke's own rows live beside them.
func TestHub(t *testing.T) {
	t.Parallel()
	hub, spoke := newSite(t), newSite(t)
	if pgtest.One[int](t, hub.super, "select current_setting('server_version_num')::int") < 150000 {
		t.Skip("before PostgreSQL 15 publications have no row filters")
	}
	exec(t, spoke.owner, "create schema app")
	exec(t, spoke.owner, "create table app.t1 (id int)")
	exec(t, spoke.super, "create role alice")
	exec(t, spoke.super, "create role bob")
	f := startFleet(t, "-d", spoke.server.URL("sync_daemon", "warehouse"))
	f.line(t, func(l logLine) bool { return l.Message == "listening" })
	can := func(role string, want bool) {
		t.Helper()
		until(t, spoke.super, "select has_table_privilege($1, 'app.t1', 'SELECT') = $2", role, want)
	}

	r := readRecipe(t, hub)
	exec(t, hub.super, "create role spokes login replication")
	const insert = "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, source) values ($1, 'SELECT', 'table', 'app', 't1', $2)"
	r.run(t, hub, "hub-identity")
	exec(t, hub.owner, insert, "alice", "berlin") // there before the subscription
	r.run(t, hub, "hub-publication")
	r.run(t, spoke, "spoke-ids")
	r.run(t, spoke, "spoke-subscription")
	can("alice", true)
	exec(t, hub.owner, insert, "bob", "paris")
	exec(t, hub.owner, "update sync_roles.desired_grants set source = 'paris' where role_name = 'alice'")
	can("alice", false)
	if pgtest.One[bool](t, spoke.super, "select has_table_privilege('bob', 'app.t1', 'SELECT')") {
		t.Error("a row for another spoke gave access")
	}
	exec(t, hub.owner, "update sync_roles.desired_grants set source = 'everywhere'")
	can("alice", true)
	can("bob", true)
	exec(t, hub.owner, "delete from sync_roles.desired_grants where role_name = 'bob'")
	can("bob", false)
	r.run(t, hub, "hub-queue")

	// Rows of the spoke's own do not meet the hub's ids. One that says the same stops the replication until it is deleted.
	exec(t, spoke.owner, insert, "bob", "spoke")
	can("bob", true)
	r.run(t, spoke, "spoke-watch")
	exec(t, hub.owner, insert, "bob", "berlin")
	until(t, spoke.super, "select apply_error_count > 0 from pg_stat_subscription_stats")
	exec(t, spoke.owner, "delete from sync_roles.desired_grants where source = 'spoke'")
	until(t, spoke.super, "select exists (select from sync_roles.desired_grants where role_name = 'bob' and source = 'berlin')")
	can("bob", true)

	// After its slot was lost, a spoke copies the rows again.
	exec(t, hub.super, "select pg_terminate_backend(active_pid) from pg_replication_slots where active_pid is not null")
	if code := f.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, f.log)
	}
	exec(t, hub.owner, "delete from sync_roles.desired_grants where role_name = 'bob'")
	r.run(t, spoke, "spoke-again")
	until(t, spoke.super, "select bool_and(srsubstate = 'r') from pg_subscription_rel")
	call(t, "sync", "-d", spoke.server.URL("sync_daemon", "warehouse")).want(t, 0, "*", "")
	can("alice", true)
	can("bob", false)
	for name := range r.blocks {
		t.Errorf("block %q of docs/hub.md is not run", name)
	}
}
