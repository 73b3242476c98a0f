//go:build unix

package chaos

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/migrations"
)

// Roles that are there before, and are not for rows.
const (
	daemonRole   = "chaos_daemon"   // LOGIN CREATEROLE, and no superuser
	ownerRole    = "chaos_owner"    // owns the tables; the daemon is a member
	scopedRole   = "chaos_etl"      // writes rows, and owns nothing
	leadRole     = "chaos_lead"     // grants what it has with grant option; the daemon can become it
	strangerRole = "chaos_stranger" // the same, but the daemon cannot
)

// databases of the one cluster. The rows of the first say what roles are and which memberships they have.
var databases = []string{"chaos_a", "chaos_b"}

// What rows are about. Not all of it is there at all times.
var (
	users     = []string{"ann", "bob", "Carl", "d'arcy", `e"ve`, "fay"}
	groups    = []string{"g0", "g1", "g2"}
	schemas   = []string{"s0", "s1", "own0"}
	tables    = []string{"t0", "t1", "t2", "t3", `T"x`, "t_4"}
	routines  = []routine{{"f0", "integer"}, {"f0", "text"}, {"f1", "integer"}}
	sequences = []string{"q0", "q1"}
	columns   = []string{"a", "b", "c d"}
)

const publicRole = "public"

// cluster is a server of the test's own: it is restarted.
type cluster struct {
	server   *pgserver.Server
	version  int
	starts   int
	began    atomic.Int64 // how often trouble began
	troubles atomic.Int64 // how many of them last
	acls     sync.RWMutex // held by whoever writes to the ACLs of all tables, and shared by whoever may not fail because of that
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	ctx := t.Context()
	binDir, err := pgserver.Locate(ctx, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	// What was committed must survive the server's crash, though not the machine's.
	server, err := pgserver.Start(ctx, pgserver.Config{BinDir: binDir, Settings: map[string]string{
		"fsync":                               "off",
		"log_min_duration_statement":          "1s",
		"log_min_messages":                    "warning",
		"log_line_prefix":                     "%m [%p] %u@%d %e ",
		"restart_after_crash":                 "on",
		"deadlock_timeout":                    "200ms",
		"autovacuum_naptime":                  "1s",
		"max_prepared_transactions":           "0",
		"idle_in_transaction_session_timeout": "30s",
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	})
	c := &cluster{server: server}
	c.setUp(t)
	return c
}

// setUp does what a DBA does before a daemon runs, and makes something to quarrel about.
func (c *cluster) setUp(t *testing.T) {
	t.Helper()
	super := c.connect(t, "postgres")
	c.version = one[int](t, super, "select current_setting('server_version_num')::int / 10000")
	t.Logf("PostgreSQL %d", c.version)
	execute(t, super, fmt.Sprintf("create role %s login createrole; create role %s; create role %s login; create role %s; create role %s",
		daemonRole, ownerRole, scopedRole, leadRole, strangerRole))
	if c.version < 16 {
		execute(t, super, fmt.Sprintf("grant %s to %s", ownerRole, daemonRole))
	} else {
		execute(t, super, fmt.Sprintf("grant %s to %s with inherit true, set true, admin false; grant %s to %[2]s with admin true, inherit false, set false",
			ownerRole, daemonRole, leadRole))
	}
	for i, database := range databases {
		execute(t, super, fmt.Sprintf("create database %s owner %s", database, daemonRole))
		execute(t, super, fmt.Sprintf("revoke connect on database %s from public; grant connect, create on database %[1]s to %s, %s", database, ownerRole, scopedRole))
		config, err := pgx.ParseConfig(c.server.URL(daemonRole, database))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := migrations.Up(t.Context(), config); err != nil {
			t.Fatalf("install sync_roles in %s: %v", database, err)
		}
		here := c.connect(t, database)
		// One database has event triggers, the other has not.
		if i == 1 {
			config.User = pgserver.Superuser
			if err := migrations.SetEventTriggers(t.Context(), config, true); err != nil {
				t.Fatalf("install event triggers in %s: %v", database, err)
			}
		}
		execute(t, here, fmt.Sprintf(`
			grant usage on schema sync_roles to %[1]s;
			grant select, insert, update, delete on sync_roles.desired_grants to %[1]s;
			insert into sync_roles.writers (writer_role, grantable, public, may_create_roles) values ('%[1]s', true, true, true);
			create schema s0 authorization %[2]s; create schema s1 authorization %[2]s; create schema %[3]s authorization %[2]s`, scopedRole, ownerRole, mart))
		for _, schema := range schemas[:2] {
			for _, table := range tables[:4] {
				execute(t, here, createTable(schema, table, ownerRole))
			}
			execute(t, here, createSequence(schema, sequences[0], ownerRole))
			for _, r := range routines {
				execute(t, here, createRoutine(schema, r))
			}
		}
	}
}

func createTable(schema, table, owner string) string {
	return fmt.Sprintf(`create table %s (a int, b int, "c d" int); alter table %[1]s owner to %s;`, quote(schema, table), quote(owner))
}

func createSequence(schema, sequence, owner string) string {
	return fmt.Sprintf("create sequence %s; alter sequence %[1]s owner to %s;", quote(schema, sequence), quote(owner))
}

// connect is for the test itself, while nobody is in its way. The connection is closed after the test.
func (c *cluster) connect(t *testing.T, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.server.URL(pgserver.Superuser, database))
	if err != nil {
		t.Fatalf("log in to %s as superuser: %v", database, err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// trouble begins when it is called, and ends with what it returns. A daemon that starts meanwhile may fail to.
func (c *cluster) trouble() (ended func()) {
	c.began.Add(1)
	c.troubles.Add(1)
	return func() { c.troubles.Add(-1) }
}

// restart is "pg_ctl restart -m immediate".
func (c *cluster) restart(ctx context.Context) error {
	if err := c.badLog(); err != nil {
		return err
	}
	defer c.trouble()()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return c.server.Restart(ctx, true)
}

// A server that crashes by itself, or finds its data damaged, is nobody's doing here.
var crashes = regexp.MustCompile(`(?m)^.*(PANIC:|TRAP:|was terminated by signal).*$`)

// badLog looks for what must not be in the server's log, which begins anew with each start.
func (c *cluster) badLog() error {
	log, err := os.ReadFile(filepath.Join(filepath.Dir(c.server.DataDir()), "log"))
	if err != nil {
		return err
	}
	if *logs != "" {
		c.starts++
		if err := os.WriteFile(filepath.Join(*logs, fmt.Sprintf("server-%d.log", c.starts)), log, 0o600); err != nil {
			return err
		}
	}
	if line := crashes.Find(log); line != nil {
		return fmt.Errorf("the server's log has: %s", line)
	}
	return nil
}

func (c *cluster) judgeLog(t *testing.T) {
	t.Helper()
	if err := c.badLog(); err != nil {
		t.Error(err)
	}
}

func execute(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatalf("run %s: %v", sql, err)
	}
}

func one[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	list := all[T](t, conn, sql, args...)
	if len(list) != 1 {
		t.Fatalf("run %s: %d rows, want one", sql, len(list))
	}
	return list[0]
}

func all[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) []T {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("run %s: %v", sql, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("run %s: %v", sql, err)
	}
	return list
}
