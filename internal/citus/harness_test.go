package citus_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/cli"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

const (
	daemon   = "sync_daemon"
	database = "warehouse"
)

// cluster is a coordinator and its workers. Schema sales has a distributed table, a reference table and one that only the coordinator has.
type cluster struct {
	nodes []*pgserver.Server // the coordinator first
}

// start starts a cluster whose daemon is no superuser. The settings are of all nodes.
func start(t *testing.T, settings map[string]string) *cluster {
	t.Helper()
	if os.Getenv("TEST_CITUS_BIN") == "" {
		t.Skip("this needs Citus: TEST_CITUS_BIN names the bin folder of a PostgreSQL that has it")
	}
	c := &cluster{}
	for range 3 {
		c.startNode(t, settings)
	}
	c.exec(t, 0, pgserver.Superuser, fmt.Sprintf("select citus_set_coordinator_host('127.0.0.1', %d)", c.nodes[0].Port()))
	c.addNode(t, 1)
	c.addNode(t, 2)
	distribute := "select create_distributed_table('sales.orders', 'id'), create_reference_table('sales.countries')"
	if settings["citus.enable_schema_based_sharding"] == "on" {
		distribute = "select" // a tenant's tables are
	}
	for _, sql := range []string{
		"create role " + daemon + " login createrole",
		"create role sales_owner",
		"alter database " + database + " owner to " + daemon,
		"create schema sales authorization sales_owner",
		"create table sales.orders (id int primary key, price int)",
		"alter table sales.orders owner to sales_owner", // by itself: Citus repeats the whole message
		"create table sales.countries (id int)",
		"alter table sales.countries owner to sales_owner",
		"create table sales.local (id int)",
		"alter table sales.local owner to sales_owner",
		distribute,
		"insert into sales.orders select i, i from generate_series(1, 100) as i",
		c.grantOwner(t),
	} {
		c.exec(t, 0, pgserver.Superuser, sql)
	}
	return c
}

// grantOwner makes the daemon a member of the owner of the objects, as "pg-sync-roles setup" does.
func (c *cluster) grantOwner(t *testing.T) string {
	t.Helper()
	if c.text(t, 0, "show server_version_num") < "160000" {
		return "grant sales_owner to " + daemon
	}
	return "grant sales_owner to " + daemon + " with inherit true, set true"
}

// startNode starts a node that belongs to no cluster yet.
func (c *cluster) startNode(t *testing.T, settings map[string]string) {
	t.Helper()
	all := map[string]string{
		"shared_preload_libraries": "citus", "wal_level": "logical", "max_prepared_transactions": "100", "fsync": "off", "full_page_writes": "off",
		"citus.node_conninfo": "sslmode=disable",
	}
	for name, value := range settings {
		all[name] = value
	}
	server, err := pgserver.Start(t.Context(), pgserver.Config{BinDir: os.Getenv("TEST_CITUS_BIN"), Dir: pgtest.MemoryDir(), Settings: all})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	c.nodes = append(c.nodes, server)
	if err := try(t, server.URL(pgserver.Superuser, "postgres"), "create database "+database); err != nil {
		t.Fatal(err)
	}
	c.exec(t, len(c.nodes)-1, pgserver.Superuser, "create extension citus")
}

func (c *cluster) addNode(t *testing.T, node int) {
	t.Helper()
	c.exec(t, 0, pgserver.Superuser, "select citus_add_node('127.0.0.1', "+strconv.Itoa(c.nodes[node].Port())+")")
}

// addLater adds a node as docs/platforms.md says to. Citus makes a role on the new node together with its memberships, for which since PostgreSQL 16 their grantor must
// be there, with ADMIN: so all roles come from a dump.
func (c *cluster) addLater(t *testing.T, node int) {
	t.Helper()
	if c.text(t, 0, "show server_version_num") < "160000" {
		c.addNode(t, node)
		return
	}
	dump, err := c.nodes[0].Program(t.Context(), filepath.Join(os.Getenv("TEST_CITUS_BIN"), "pg_dumpall"), "--roles-only", "--dbname", c.nodes[0].URL(pgserver.Superuser, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	roles, err := dump.Output()
	if err != nil {
		t.Fatal(err)
	}
	c.exec(t, node, pgserver.Superuser, "set citus.enable_ddl_propagation = off; "+sqlOnly(string(roles)))
	c.exec(t, 0, pgserver.Superuser, fmt.Sprintf("set citus.enable_create_role_propagation = off; select citus_add_node('127.0.0.1', %d)", c.nodes[node].Port()))
}

// sqlOnly is a dump without the commands of psql, and without the superuser that the new node has.
func sqlOnly(dump string) string {
	lines := slices.DeleteFunc(strings.Split(dump, "\n"), func(line string) bool {
		return strings.HasPrefix(line, `\`) || strings.HasPrefix(line, "CREATE ROLE "+pgserver.Superuser+";")
	})
	return strings.Join(lines, "\n")
}

// try runs SQL in a session of its own.
func try(t *testing.T, url, sql string) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	_, err = conn.PgConn().Exec(t.Context(), sql).ReadAll()
	return err
}

// exec runs SQL on a node, as a login.
func (c *cluster) exec(t *testing.T, node int, role, sql string) {
	t.Helper()
	if err := try(t, c.nodes[node].URL(role, database), sql); err != nil {
		t.Fatalf("as %s on node %d run %s: %v", role, node, sql, err)
	}
}

// text asks a node for one text, as superuser.
func (c *cluster) text(t *testing.T, node int, sql string) (text string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.nodes[node].URL(pgserver.Superuser, database))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if err := conn.QueryRow(t.Context(), sql).Scan(&text); err != nil {
		t.Fatalf("on node %d run %s: %v", node, sql, err)
	}
	return text
}

// access fails the test unless the login can, or cannot, run the SQL on each of the nodes.
func (c *cluster) access(t *testing.T, can bool, role, sql string, nodes ...int) {
	t.Helper()
	for _, node := range nodes {
		switch err := try(t, c.nodes[node].URL(role, database), sql); {
		case can && err != nil:
			t.Errorf("%s cannot %s on node %d: %v", role, sql, node, err)
		case !can && err == nil:
			t.Errorf("%s can %s on node %d", role, sql, node)
		}
	}
}

// call runs the program on the coordinator, as the daemon, and expects an exit code.
func (c *cluster) call(t *testing.T, code int, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	got := cli.Run(t.Context(), append(args, "-d", c.nodes[0].URL(daemon, database)), strings.NewReader(""), &stdout, &stderr)
	if got != code {
		t.Fatalf("%v: exit code %d, want %d\nstdout:\n%s\nstderr:\n%s", args, got, code, stdout.String(), stderr.String())
	}
	if stderr.Len() > 0 {
		t.Log(stderr.String())
	}
	return stdout.String()
}

// nothingToDo fails the test if a second pass changes anything.
func (c *cluster) nothingToDo(t *testing.T) {
	t.Helper()
	if said := c.call(t, 0, "sync"); !strings.HasPrefix(said, "Nothing to do.") {
		t.Errorf("a second pass says:\n%s", said)
	}
}
