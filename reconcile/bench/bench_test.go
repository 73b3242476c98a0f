// Package bench measures the engine next to the floor: the same end state by the fewest hand-written statements, on the same
// server, in the same run. Read the ratios; the machine's speed cancels out.
//
//	go test ./reconcile/bench -bench . -benchtime 1x
package bench

import (
	"context"
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
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/loop"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// The fleet: so many roles, each with SELECT on so many of the tables, USAGE and CONNECT.
const (
	fleetRoles  = 1000
	fleetTables = 1000
	fleetGrants = 100
)

// fleet is a server with two databases of the same tables: one for the engine, one for the floor.
type fleet struct {
	server *pgserver.Server
	engine *reconcile.Engine
	tables [][]int // by role
}

func newFleet(b *testing.B) *fleet {
	b.Helper()
	ctx := b.Context()
	bin, err := pgserver.Locate(ctx, io.Discard)
	must(b, err)
	server, err := pgserver.Start(ctx, pgserver.Config{BinDir: bin, Settings: map[string]string{"max_connections": "200"}})
	must(b, err)
	b.Cleanup(func() { must(b, server.Stop(context.WithoutCancel(ctx))) })
	f := &fleet{server: server}
	for role := range fleetRoles {
		random := rand.New(rand.NewPCG(uint64(role), 0))
		f.tables = append(f.tables, random.Perm(fleetTables)[:fleetGrants])
	}

	f.exec(b, "postgres", "create role daemon login createrole", "create role owner", "grant owner to daemon",
		"create database ours owner daemon", "create database theirs")
	for _, database := range []string{"ours", "theirs"} {
		statements := []string{"create schema s authorization owner", "set role owner"}
		for t := range fleetTables {
			statements = append(statements, fmt.Sprintf("create table s.t_%d (id int)", t))
		}
		f.exec(b, database, statements...)
	}
	_, err = migrations.Up(ctx, f.config(b, "daemon", "ours"))
	must(b, err)
	f.engine, err = reconcile.Open(ctx, f.config(b, "daemon", "ours"), f.settings())
	must(b, err)
	b.Cleanup(func() { _ = f.engine.Close(context.WithoutCancel(ctx)) })
	f.exec(b, "ours", "vacuum analyze")
	f.exec(b, "theirs", "vacuum analyze")
	return f
}

func (f *fleet) settings() reconcile.Config {
	return reconcile.Config{Policy: plan.Policy{MaxDirectGrantees: 500, PruneEmptyAfterSecs: 3600}, Log: zerolog.Nop()}
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

func (f *fleet) exec(tb testing.TB, database string, statements ...string) {
	tb.Helper()
	conn := f.connect(tb, "postgres", database)
	for _, s := range statements {
		_, err := conn.Exec(tb.Context(), s)
		must(tb, err)
	}
}

// load writes the fleet's desired rows by COPY, and returns how long that took until they were committed.
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
	for role, tables := range f.tables {
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

// floor does the same by hand, as a superuser: one statement for each table's grantees, in one transaction.
func (f *fleet) floor(tb testing.TB) {
	tb.Helper()
	var names []string
	grantees := make([][]string, fleetTables)
	var script []string
	for role, tables := range f.tables {
		name := fmt.Sprintf("theirs_%d", role)
		names = append(names, name)
		script = append(script, "create role "+name)
		for _, t := range tables {
			grantees[t] = append(grantees[t], name)
		}
	}
	everybody := strings.Join(names, ", ")
	script = append(script, "grant connect on database theirs to "+everybody, "grant usage on schema s to "+everybody)
	for t, list := range grantees {
		if len(list) > 0 {
			script = append(script, fmt.Sprintf("grant select on s.t_%d to %s", t, strings.Join(list, ", ")))
		}
	}
	_, err := f.connect(tb, "postgres", "theirs").PgConn().Exec(tb.Context(), "begin;"+strings.Join(script, ";")+";commit").ReadAll()
	must(tb, err)
}

// floorThroughRoles does it with one intermediate role for each table.
func (f *fleet) floorThroughRoles(tb testing.TB) {
	tb.Helper()
	members := make([][]string, fleetTables)
	var names, script []string
	for role, tables := range f.tables {
		name := fmt.Sprintf("theirs_%d", role)
		names = append(names, name)
		script = append(script, "create role "+name)
		for _, t := range tables {
			members[t] = append(members[t], name)
		}
	}
	everybody := strings.Join(names, ", ")
	script = append(script, "grant connect on database theirs to "+everybody, "grant usage on schema s to "+everybody)
	for t, list := range members {
		if len(list) > 0 {
			script = append(script, fmt.Sprintf("create role g_%d", t), fmt.Sprintf("grant select on s.t_%d to g_%[1]d", t), fmt.Sprintf("grant g_%d to %s", t, strings.Join(list, ", ")))
		}
	}
	_, err := f.connect(tb, "postgres", "theirs").PgConn().Exec(tb.Context(), "begin;"+strings.Join(script, ";")+";commit").ReadAll()
	must(tb, err)
}

func BenchmarkFleetCold(b *testing.B) {
	for _, c := range []struct {
		name   string
		direct any
		floor  func(*fleet, testing.TB)
	}{{"direct", nil, (*fleet).floor}, {"intermediate", false, (*fleet).floorThroughRoles}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				f := newFleet(b)
				floor := elapsed(func() { c.floor(f, b) })
				loadFloor := f.loadFloor(b, c.direct)
				load := f.load(b, c.direct)
				b.StartTimer()
				ours := elapsed(func() {
					_, err := f.engine.ServeQueue(b.Context(), audit.Notify)
					must(b, err)
				})
				b.StopTimer()
				f.checkEffective(b)
				rescan := func() {
					report, err := f.engine.Rescan(b.Context(), audit.Rescan)
					must(b, err)
					if len(report.Rows) > 0 {
						b.Fatalf("a second pass wrote %d audit rows", len(report.Rows))
					}
				}
				whole := elapsed(rescan)
				var unchanged []time.Duration
				for range 20 {
					unchanged = append(unchanged, elapsed(rescan))
				}
				slices.Sort(unchanged)
				b.ReportMetric(floor.Seconds(), "floor-s")
				b.ReportMetric(ours.Seconds(), "ours-s")
				b.ReportMetric(ours.Seconds()/floor.Seconds(), "ours/floor")
				b.ReportMetric(whole.Seconds(), "whole-rescan-s")
				b.ReportMetric(unchanged[len(unchanged)/2].Seconds(), "unchanged-rescan-s")
				b.ReportMetric(load.Seconds()/loadFloor.Seconds(), "load/floor")
				b.ReportMetric((load+ours).Seconds()/(loadFloor+floor).Seconds(), "all/floor")
				b.StartTimer()
			}
		})
	}
}

// checkEffective counts with PostgreSQL's own eyes.
func (f *fleet) checkEffective(b *testing.B) {
	b.Helper()
	var missing int
	must(b, f.connect(b, "postgres", "ours").QueryRow(b.Context(), `
		select count(*) from sync_roles.desired_grants
		where privilege = 'SELECT' and not has_table_privilege(role_name, 's.' || object_name, 'SELECT')`).Scan(&missing))
	if missing > 0 {
		b.Fatalf("%d grants are not effective", missing)
	}
}

// BenchmarkOneMore measures from the commit of one INSERT until the access works, and from that of its DELETE until it is gone, with an idle daemon and the
// fleet in place.
func BenchmarkOneMore(b *testing.B) {
	f := newFleet(b)
	f.load(b, nil)
	_, err := f.engine.ServeQueue(b.Context(), audit.Notify)
	must(b, err)
	f.exec(b, "ours", "vacuum analyze")

	listening := make(chan struct{}, 1)
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() {
		done <- loop.Run(ctx, loop.Config{
			Open: func(context.Context) (loop.Reconciler, error) { return engineReconciler{f.engine}, nil },
			Connect: func(ctx context.Context) (*pgx.Conn, error) {
				return pgx.ConnectConfig(ctx, f.config(b, "daemon", "ours"))
			},
			RescanInterval: time.Hour,
			Log:            zerolog.Nop(),
			Listening:      func() { listening <- struct{}{} },
		})
	}()
	<-listening
	writer, watcher := f.connect(b, "daemon", "ours"), f.connect(b, "postgres", "ours")
	var given, revoked []time.Duration
	n := 0
	until := func(want bool, name, table string) time.Duration {
		started := time.Now()
		for {
			var works bool
			must(b, watcher.QueryRow(ctx, "select has_table_privilege($1, $2, 'SELECT')", name, "s."+table).Scan(&works))
			if works == want {
				return time.Since(started)
			}
		}
	}
	both := func() (insert, remove time.Duration) {
		role, t := n%fleetRoles, 0
		for slices.Contains(f.tables[role], t) {
			t++
		}
		n++
		name, table := fmt.Sprintf("ours_%d", role), fmt.Sprintf("t_%d", t)
		_, err := writer.Exec(ctx, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ($1, 'SELECT', 'table', 's', $2)", name, table)
		must(b, err)
		insert = until(true, name, table)
		_, err = writer.Exec(ctx, "delete from sync_roles.desired_grants where role_name = $1 and object_name = $2", name, table)
		must(b, err)
		return insert, until(false, name, table)
	}
	for range 50 {
		both()
	}
	for b.Loop() {
		for range 200 {
			insert, remove := both()
			given, revoked = append(given, insert), append(revoked, remove)
		}
	}
	stop()
	must(b, <-done)
	for name, took := range map[string][]time.Duration{"given": given, "revoked": revoked} {
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, name+"-p50-ms")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, name+"-p99-ms")
	}
}

// engineReconciler is the engine as the loop wants it.
type engineReconciler struct{ engine *reconcile.Engine }

func (r engineReconciler) ServeQueue(ctx context.Context) (loop.Look, error) {
	report, err := r.engine.ServeQueue(ctx, audit.Notify)
	return loop.Look{Served: report.Roles > 0, MoreToCome: report.MoreToCome}, err
}
func (r engineReconciler) ServeRetries(context.Context) error          { return nil }
func (r engineReconciler) ServeExpired(context.Context) error          { return nil }
func (r engineReconciler) Rescan(context.Context, loop.Occasion) error { return nil }
func (r engineReconciler) NextDue(context.Context) (time.Time, bool, error) {
	return time.Time{}, false, nil
}
func (r engineReconciler) Ping(context.Context) error  { return nil }
func (r engineReconciler) Close(context.Context) error { return nil }

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
