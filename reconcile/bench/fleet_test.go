package bench

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/migrations"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

var superuser = flag.Bool("superuser", false, "the daemon's role is a superuser")

// size is how large a fleet is: so many roles, each with SELECT on so many of the tables, USAGE and CONNECT.
type size struct{ roles, tables, grants int }

var usual = size{1000, 1000, 100}

// fleet is a server with two databases of the same tables: "ours" for the engine, "theirs" for the floor.
type fleet struct {
	size
	server *pgserver.Server
	engine *reconcile.Engine
	chosen [][]int // the tables of each role
}

func newFleet(tb testing.TB, s size) *fleet {
	tb.Helper()
	ctx := tb.Context()
	bin, err := pgserver.Locate(ctx, io.Discard)
	must(tb, err)
	server, err := pgserver.Start(ctx, pgserver.Config{BinDir: bin, Settings: map[string]string{"max_connections": "200", "fsync": "on"}})
	must(tb, err)
	tb.Cleanup(func() { must(tb, server.Stop(context.WithoutCancel(ctx))) })
	f := &fleet{size: s, server: server}
	for role := range s.roles {
		random := rand.New(rand.NewPCG(uint64(role), 0))
		f.chosen = append(f.chosen, random.Perm(s.tables)[:s.grants])
	}
	attributes := "login createrole"
	if *superuser {
		attributes = "login superuser"
	}
	f.exec(tb, "postgres", "create role daemon "+attributes, "create role owner", "grant owner to daemon", "create database ours owner daemon", "create database theirs")
	for _, database := range []string{"ours", "theirs"} {
		f.exec(tb, database, "create schema s authorization owner")
		for first := 0; first < s.tables; first += 500 { // each takes locks until its transaction ends
			f.exec(tb, database, fmt.Sprintf(`set role owner; do $$ begin for t in %d..%d loop execute format('create table s.t_%%s (id int)', t); end loop; end $$`, first, min(first+500, s.tables)-1))
		}
	}
	_, err = migrations.Up(ctx, f.config(tb, "daemon", "ours"))
	must(tb, err)
	f.engine = f.open(tb, "ours")
	f.exec(tb, "ours", "vacuum analyze")
	f.exec(tb, "theirs", "vacuum analyze", "checkpoint")
	return f
}

// open opens an engine in a database.
func (f *fleet) open(tb testing.TB, database string) *reconcile.Engine {
	tb.Helper()
	settings := reconcile.Config{Policy: plan.Policy{MaxDirectGrantees: 500, PruneEmptyAfterSecs: 3600}, Log: zerolog.Nop(), LockTimeout: time.Minute}
	engine, err := reconcile.Open(tb.Context(), f.config(tb, "daemon", database), settings)
	must(tb, err)
	tb.Cleanup(func() { _ = engine.Close(context.WithoutCancel(tb.Context())) })
	return engine
}

func (f *fleet) config(tb testing.TB, role, database string) *pgx.ConnConfig {
	tb.Helper()
	config, err := pgx.ParseConfig(f.server.URL(role, database))
	must(tb, err)
	return config
}

func (f *fleet) connect(tb testing.TB, role, database string) *pgx.Conn {
	tb.Helper()
	conn, err := pgx.ConnectConfig(tb.Context(), f.config(tb, role, database))
	must(tb, err)
	tb.Cleanup(func() { _ = conn.Close(context.WithoutCancel(tb.Context())) })
	return conn
}

// exec runs statements as a superuser.
func (f *fleet) exec(tb testing.TB, database string, statements ...string) {
	tb.Helper()
	conn, err := pgx.ConnectConfig(tb.Context(), f.config(tb, pgserver.Superuser, database))
	must(tb, err)
	defer func() { _ = conn.Close(context.WithoutCancel(tb.Context())) }()
	for _, s := range statements {
		_, err := conn.Exec(tb.Context(), s)
		must(tb, err)
	}
}

// load writes the fleet's rows by COPY, and returns how long that took until they were committed.
func (f *fleet) load(tb testing.TB, direct any) time.Duration {
	tb.Helper()
	return f.copyInto(tb, "desired_grants", direct)
}

// loadFloor writes the same rows into a table of the same columns, constraints and indexes, without triggers.
func (f *fleet) loadFloor(tb testing.TB, direct any) time.Duration {
	tb.Helper()
	f.exec(tb, "ours", "set role daemon", "create table sync_roles.floor (like sync_roles.desired_grants including all)")
	defer f.exec(tb, "ours", "drop table sync_roles.floor")
	return f.copyInto(tb, "floor", direct)
}

func (f *fleet) copyInto(tb testing.TB, table string, direct any) time.Duration {
	tb.Helper()
	var rows [][]any
	for role, tables := range f.chosen {
		name := fmt.Sprintf("ours_%d", role)
		rows = append(rows, []any{name, "CONNECT", "database", nil, "ours", nil}, []any{name, "USAGE", "schema", nil, "s", nil})
		for _, t := range tables {
			rows = append(rows, []any{name, "SELECT", "table", "s", fmt.Sprintf("t_%d", t), direct})
		}
	}
	conn := f.connect(tb, "daemon", "ours")
	return elapsed(func() {
		_, err := conn.CopyFrom(tb.Context(), pgx.Identifier{"sync_roles", table},
			[]string{"role_name", "privilege", "object_type", "schema_name", "object_name", "direct"}, pgx.CopyFromRows(rows))
		must(tb, err)
	})
}

// grantees lists the roles of each table, in the database of the floor.
func (f *fleet) grantees() (all []string, byTable [][]string) {
	byTable = make([][]string, f.tables)
	for role, tables := range f.chosen {
		name := fmt.Sprintf("theirs_%d", role)
		all = append(all, name)
		for _, t := range tables {
			byTable[t] = append(byTable[t], name)
		}
	}
	return all, byTable
}

// floor does the same by hand, as a superuser: one statement for each table's grantees, in one transaction.
func (f *fleet) floor(tb testing.TB) {
	tb.Helper()
	f.byHand(tb, "grant select on s.t_%d to %s")
}

// floorThroughRoles does it with one intermediate role for each table.
func (f *fleet) floorThroughRoles(tb testing.TB) {
	tb.Helper()
	f.byHand(tb, "create role g_%[1]d; grant select on s.t_%[1]d to g_%[1]d; grant g_%[1]d to %[2]s")
}

func (f *fleet) byHand(tb testing.TB, grant string) {
	tb.Helper()
	all, byTable := f.grantees()
	var script []string
	for _, name := range all {
		script = append(script, "create role "+name)
	}
	everybody := strings.Join(all, ", ")
	script = append(script, "grant connect on database theirs to "+everybody, "grant usage on schema s to "+everybody)
	for t, list := range byTable {
		if len(list) > 0 {
			script = append(script, fmt.Sprintf(grant, t, strings.Join(list, ", ")))
		}
	}
	_, err := f.connect(tb, pgserver.Superuser, "theirs").PgConn().Exec(tb.Context(), "begin;"+strings.Join(script, ";")+";commit").ReadAll()
	must(tb, err)
}

// check compares what all roles may with what the fleet's rows ask for, with PostgreSQL's own eyes.
func (f *fleet) check(tb testing.TB) {
	tb.Helper()
	var wrong int
	must(tb, f.connect(tb, pgserver.Superuser, "ours").QueryRow(tb.Context(), `
		with roles as (
			select r.oid, r.rolname::text as name from pg_roles as r where r.rolname ~ '^ours_' order by md5(r.rolname) limit 100
		), tables as (
			select c.oid, c.relname::text as name from pg_class as c where c.relnamespace = 's'::regnamespace and c.relkind = 'r' order by md5(c.relname) limit 1000
		)
		select count(*)
		from roles as r cross join tables as t
		where has_table_privilege(r.oid, t.oid, 'SELECT') <> exists (
			select from sync_roles.desired_grants as g where g.role_name = r.name and g.object_type = 'table' and g.object_name = t.name
		)`).Scan(&wrong))
	if wrong > 0 {
		tb.Fatalf("%d of the sampled roles' privileges are not as their rows ask", wrong)
	}
}

// await waits until a query says true.
func await(tb testing.TB, conn *pgx.Conn, sql string) {
	tb.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for done := false; !done; <-tick.C {
		must(tb, conn.QueryRow(tb.Context(), sql).Scan(&done))
	}
}

const queueIsEmpty = "select not exists (select from sync_roles.pending)"

// quantiles sorts, and returns the median and the 99th percentile, in milliseconds.
func quantiles(took []time.Duration) (p50, p99 float64) {
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return ms(took[len(took)/2]), ms(took[len(took)*99/100])
}

func elapsed(f func()) time.Duration {
	started := time.Now()
	f()
	return time.Since(started)
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
