package cli_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// hold takes the lock that all passes of a cluster take, and an advisory one, until release is called.
func hold(t *testing.T, url string) (release func()) {
	t.Helper()
	tx, err := connectTo(t, url).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exec(t, tx.Conn(), "comment on role _pgsr_lock is null")
	exec(t, tx.Conn(), "select pg_advisory_xact_lock(17)")
	return func() {
		if err := tx.Rollback(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// nextTransaction is the ID that the next transaction that changes something will have.
func nextTransaction(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	return pgtest.One[string](t, conn, "select pg_snapshot_xmax(pg_current_snapshot())::text")
}

// Where nothing is to be done, sync takes neither lock nor transaction ID, and writes nothing; where something is, it waits for the lock.
func TestSyncWithNothingToDo(t *testing.T) {
	t.Parallel()
	server, super := newServer(t, map[string]string{"autovacuum": "off"}) // which takes transaction IDs, too
	exec(t, super, "create role daemon login createrole")
	exec(t, super, "create database db owner daemon")
	url := server.URL("daemon", "db")
	conn := connectTo(t, url)
	exec(t, conn, "create schema app")
	exec(t, conn, "create table app.t1 (id int)")
	call(t, "migrate", "-d", url).want(t, 0, "has version", "")
	exec(t, conn, `insert into sync_roles.desired_roles (role_name, revoke_other) values ('alice', '{all}')`)
	exec(t, conn, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match) values
		('alice', 'SELECT', 'table', 'app', 't%', 'like'), ('alice', 'SELECT', 'table', 'app', 'none', 'exact'), ('bob', 'SELECT', 'table', 'app', 't1', 'exact')`)
	call(t, "sync", "-d", url).want(t, 0, "applied", "")
	refusedRole := "carol"
	refused(t, conn, refusedRole)
	call(t, "sync", "-d", url).want(t, 1, "refused", "*")

	idle := [][]string{{"sync", "alice"}, {"sync", "alice", "bob"}, {"sync", "--prune", "alice"}, {"plan", "alice"}}
	all := [][]string{{"sync"}, {"sync", "--prune"}, {"sync", refusedRole}}
	release := hold(t, server.URL("postgres", "db"))
	before, audited := nextTransaction(t, super), pgtest.One[int](t, conn, "select count(*) from sync_roles.audit")
	try := func(code int, args []string) {
		t.Helper()
		call(t, append(args, "-d", url, "--lock-timeout", "1s", "--advisory-lock-key", "17")...).want(t, code, "*", "*")
		if after := nextTransaction(t, super); after != before {
			t.Errorf("%v took a transaction ID", args)
			before = after
		}
	}
	for _, args := range idle {
		try(0, args)
	}
	for _, args := range all {
		try(1, args) // because of what is refused
	}
	if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.audit"); n != audited {
		t.Errorf("%d audit rows were written", n-audited)
	}

	// Whatever a pass would do is seen without the lock.
	for name, c := range map[string]struct{ role, change string }{
		"a grant by hand":          {"alice", "set role daemon; grant insert on app.t1 to alice"},
		"a revoke by hand":         {"bob", "set role daemon; revoke select on app.t1 from bob"},
		"a request":                {"bob", "update sync_roles.desired_grants set note = '" + t.Name() + "' where role_name = 'bob'"},
		"a grant that has expired": {"bob", "set session_replication_role = replica; insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, expires_at) values ('bob', 'UPDATE', 'table', 'app', 't1', now())"},
		"a role that is gone":      {"bob", "drop owned by bob; drop role bob"},
		"what a pattern finds":     {"alice", "set role daemon; create table app.t2 (id int)"},
		"an intermediate's grant":  {"alice", "do $$ declare r text; begin select role_name into r from sync_roles.intermediate_roles; execute format('set local role daemon; revoke select on app.t1 from %I', r); end $$"},
		"a member that is gone":    {"alice", "drop owned by alice; drop role alice"},
	} {
		dba := connectTo(t, server.URL("postgres", "db"))
		exec(t, dba, c.change)
		if r := call(t, "sync", c.role, "-d", url, "--lock-timeout", "100ms", "--advisory-lock-key", "17"); r.code != 1 || !strings.Contains(r.stderr, "advisory lock 17") {
			t.Errorf("%s: sync does not wait for the lock: %d %s%s", name, r.code, r.stdout, r.stderr)
		}
		release()
		call(t, "sync", c.role, "-d", url).want(t, 0, "OUTCOME", "")
		release = hold(t, server.URL("postgres", "db"))
		before = nextTransaction(t, super)
		try(0, []string{"sync", c.role})
	}
	release()
}

// A daemon that has nothing to do leaves the lock to others, writes no failure while it is busy, and misses no rescan.
func TestIdleDaemon(t *testing.T) {
	t.Parallel()
	server, super := newServer(t, map[string]string{"autovacuum": "off"}) // which takes transaction IDs, too
	exec(t, super, "create role daemon login createrole")
	exec(t, super, "create database db owner daemon")
	url := server.URL("daemon", "db")
	conn := connectTo(t, url)
	exec(t, conn, "create schema app")
	exec(t, conn, "create table app.t1 (id int)")
	f := startFleet(t, "-d", url, "--lock-timeout", "100ms")
	f.line(t, func(l logLine) bool { return l.Message == "listening" })
	exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('alice', 'SELECT', 'table', 'app', 't1')")
	exec(t, conn, "select sync_roles.wait_for_sync()")

	release := hold(t, server.URL("postgres", "db"))
	audited := pgtest.One[int](t, conn, "select count(*) from sync_roles.audit")
	seen := pgtest.One[int](t, conn, "select count(*) from sync_roles.rescans")
	until(t, conn, "select count(*) >= $1 from sync_roles.rescans", seen+4)
	if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.audit"); n != audited {
		t.Errorf("%d audit rows were written while there was nothing to do", n-audited)
	}
	exec(t, conn, "delete from sync_roles.desired_grants")
	until(t, conn, "select exists (select from sync_roles.audit where outcome = 'failed' and sqlstate = '55P03')")
	if !pgtest.One[bool](t, conn, "select has_table_privilege('alice', 'app.t1', 'SELECT')") {
		t.Error("something was revoked without the lock")
	}
	release()
	until(t, conn, "select not has_table_privilege('alice', 'app.t1', 'SELECT')")
	if code := f.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, f.log)
	}
}
