package reconcile_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

// errors counts what the server's log says of statements that it refused.
func (c *cluster) errors(t *testing.T) int {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(c.server.DataDir(), "..", "log"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(log), "ERROR:")
}

// What PostgreSQL refused is asked for again when the daemon has other rights, or a row asks, and not by each rescan: its log would fill.
func TestWhatIsRefusedIsNotSentByEachRescan(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "trust")
	c.Exec(t, `create function public.refuse() returns event_trigger language plpgsql as $$
		begin
			if current_query() like '%GRANT%ON TABLE%' then raise 'no grants on tables'; end if;
		end $$;
		create event trigger refuse on ddl_command_start when tag in ('GRANT') execute function public.refuse()`)
	var roles []string
	for i := range 10 {
		role := fmt.Sprintf("role%d", i)
		roles = append(roles, role)
		c.write(t, `insert into sync_roles.desired_roles (role_name, login, settings) values ($1, true, '{"log_statement": "all", "work_mem": "7MB"}')`, role)
		c.insert(t, role, "CONNECT", "database", "", "db")
		c.insert(t, role, "SELECT", "table", "app", "sales")
		c.insert(t, role, "UPDATE", "table", "app", "sales")
		c.insert(t, role, "SELECT", "table", "app", "costs")
	}
	c.pending(t)
	c.rescan(t) // the first of an engine asks once more: it does not know what the one before it asked
	quiet := func() {
		t.Helper()
		before := c.errors(t)
		c.rescan(t)
		c.rescan(t)
		if after := c.errors(t); after != before {
			t.Errorf("two rescans with nothing new made %d errors in the server's log", after-before)
		}
	}
	if n := c.errors(t); n < len(roles) {
		t.Fatalf("the server's log has %d errors: this test needs what is refused", n)
	}
	quiet()
	for _, role := range roles {
		c.may(t, true, role, fmt.Sprintf(raiseUnless, "current_setting('work_mem') = '7MB'"))
		c.may(t, false, role, "select from app.sales")
	}

	// A drift of a role is mended meanwhile.
	c.Exec(t, "alter role role3 in database db set work_mem = '8MB'")
	c.rescan(t)
	c.may(t, true, "role3", fmt.Sprintf(raiseUnless, "current_setting('work_mem') = '7MB'"))
	quiet()

	before := c.errors(t)
	c.write(t, "update sync_roles.desired_roles set note = 'again' where role_name = 'role1'")
	c.pending(t)
	if c.errors(t) == before {
		t.Error("a row that was written again did not ask again")
	}
	quiet()

	// What the daemon has through another role counts, and the ADMIN option alone; what passes themselves do does not.
	c.Exec(t, "create role first; create role second; create role third")
	grants := []string{"grant first to owner", "grant second to first"}
	if c.Version >= 16 {
		grants = append(grants, "grant third to daemon with admin true, inherit false, set false")
	}
	for _, grant := range grants {
		before := c.errors(t)
		c.Exec(t, grant)
		c.rescan(t)
		if c.errors(t) == before {
			t.Errorf("%s: PostgreSQL was not asked again", grant)
		}
		quiet()
	}
	c.insert(t, "role0", "USAGE", "schema", "", "app")
	c.insert(t, "role0", "TEMPORARY", "database", "", "db")
	c.pending(t)
	quiet()

	c.Exec(t, "drop event trigger refuse")
	c.rescan(t)
	c.may(t, true, "role7", "select from app.sales")
	c.may(t, true, "role7", "select from app.costs")
	quiet()

	if c.Version < 15 {
		c.Exec(t, "alter role daemon superuser")
	} else {
		c.Exec(t, "grant set on parameter log_statement to daemon")
	}
	c.rescan(t)
	for _, role := range roles {
		c.outcome(t, role, "applied")
		c.may(t, true, role, fmt.Sprintf(raiseUnless, "current_setting('log_statement') = 'all'"))
	}
	c.quiet(t)
}

// A rescan that misses the lock has asked for nothing: the next one does.
func TestWhatIsRefusedIsSentAfterAMissedLock(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "trust")
	c.Exec(t, `create function public.refuse() returns event_trigger language plpgsql as $$
		begin
			if current_query() like '%GRANT%ON TABLE%' then raise 'no grants on tables'; end if;
		end $$;
		create event trigger refuse on ddl_command_start when tag in ('GRANT') execute function public.refuse()`)
	c.insert(t, "alice", "CONNECT", "database", "", "db")
	c.insert(t, "alice", "SELECT", "table", "app", "sales")
	c.write(t, "insert into sync_roles.desired_roles (role_name, login) values ('alice', true)")
	engine, err := reconcile.Open(t.Context(), c.daemon.Config(), reconcile.Config{Policy: defaultPolicy, Log: zerolog.Nop(), LockTimeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = engine.Close(context.WithoutCancel(t.Context())) }()
	if _, err := engine.ServeQueue(t.Context(), audit.Notify); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := engine.Rescan(t.Context(), audit.Rescan); err != nil {
			t.Fatal(err)
		}
	}
	c.may(t, false, "alice", "select from app.sales")

	c.Exec(t, "drop event trigger refuse")
	tx, err := c.super.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "comment on role _pgsr_lock is null"); err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Rescan(t.Context(), audit.Rescan); err == nil {
		t.Error("a rescan has the lock that another session holds, or has asked for nothing")
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Rescan(t.Context(), audit.Rescan); err != nil {
		t.Fatal(err)
	}
	c.may(t, true, "alice", "select from app.sales")
}
