package bench

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/migrations"
)

// BenchmarkCluster runs daemons in so many databases of one server, and loads a fleet in one of them: how long does a row in another wait? The rest must have
// nothing to do with it.
func BenchmarkCluster(b *testing.B) {
	for _, databases := range []int{2, 20, 50} {
		b.Run(fmt.Sprintf("%d databases", databases), func(b *testing.B) {
			for b.Loop() {
				f := newFleet(b, usual)
				others := f.otherDatabases(b, databases-1)
				stops := []func(){f.startDaemon(b, "ours", f.engine)}
				for _, name := range others {
					stops = append(stops, f.startDaemon(b, name, f.open(b, name)))
				}
				r := rower{f.connect(b, "daemon", others[0]), f.connect(b, pgserver.Superuser, others[0])}
				for range 20 {
					r.both(b, "theirs_0", 0)
				}
				watcher := f.connect(b, pgserver.Superuser, "ours")
				var quiet, busy []time.Duration
				for range 100 {
					given, revoked := r.both(b, "theirs_0", 0)
					quiet = append(quiet, given, revoked)
				}
				f.load(b, nil)
				for waiting := 1; waiting > 0; {
					given, revoked := r.both(b, "theirs_0", 0)
					busy = append(busy, given, revoked)
					must(b, watcher.QueryRow(b.Context(), "select count(*) from sync_roles.pending").Scan(&waiting))
				}
				f.check(b)
				for _, stop := range stops {
					stop()
				}
				for _, name := range others[1:] {
					var rows int
					must(b, f.connect(b, pgserver.Superuser, name).QueryRow(b.Context(), "select count(*) from sync_roles.audit").Scan(&rows))
					if rows > 0 {
						b.Errorf("the audit of database %s, in which nothing was done, has %d rows", name, rows)
					}
				}
				p50, p99 := quantiles(quiet)
				b.ReportMetric(p50, "quiet-p50-ms")
				b.ReportMetric(p99, "quiet-p99-ms")
				p50, p99 = quantiles(busy)
				b.ReportMetric(p50, "busy-p50-ms")
				b.ReportMetric(p99, "busy-p99-ms")
			}
		})
	}
}

// otherDatabases makes databases in which sync_roles is installed, and the first has a table.
func (f *fleet) otherDatabases(tb testing.TB, n int) []string {
	tb.Helper()
	f.exec(tb, "postgres", "create role theirs_0")
	var names []string
	for i := range n {
		name := fmt.Sprintf("other_%d", i)
		f.exec(tb, "postgres", "create database "+name+" owner daemon")
		f.exec(tb, name, "create schema s authorization owner", "set role owner", "create table s.t_0 (id int)")
		_, err := migrations.Up(tb.Context(), f.config(tb, "daemon", name))
		must(tb, err)
		names = append(names, name)
	}
	return names
}

// BenchmarkOthers measures what sessions feel that have nothing to do with us, while 100,000 grants are applied: a trivial query, and a login. Beside it, the same
// while the server has nothing else to do, and while the floor does the same by hand.
func BenchmarkOthers(b *testing.B) {
	for b.Loop() {
		f := newFleet(b, usual)
		f.exec(b, "postgres", "create role stranger login")
		f.exec(b, "theirs", "grant usage on schema s to public", "grant select on s.t_0 to public")
		for name, during := range map[string]func(){
			"idle":  func() { <-time.After(3 * time.Second) },
			"floor": func() { f.floor(b) },
			"ours": func() {
				stop := f.startDaemon(b, "ours", f.engine)
				defer stop()
				f.load(b, nil)
				await(b, f.connect(b, pgserver.Superuser, "ours"), queueIsEmpty)
				f.check(b)
			},
		} {
			ctx, cancel := context.WithCancel(b.Context())
			felt := make(chan map[string][]time.Duration)
			conn := f.connect(b, "stranger", "theirs")
			go func() { felt <- f.feel(ctx, b, conn) }()
			during()
			cancel()
			for what, took := range <-felt {
				_, p99 := quantiles(took)
				b.ReportMetric(p99, strings.Join([]string{name, what, "p99-ms"}, "-"))
			}
		}
	}
}

// feel measures again and again: a trivial query, the same as a prepared statement, and a login.
func (f *fleet) feel(ctx context.Context, tb testing.TB, conn *pgx.Conn) map[string][]time.Duration {
	tb.Helper()
	config := f.config(tb, "stranger", "theirs")
	feelings := map[string]func(context.Context) error{
		"query": func(ctx context.Context) error {
			_, err := conn.Exec(ctx, "select count(*) from s.t_0", pgx.QueryExecModeSimpleProtocol)
			return err
		},
		"prepared": func(ctx context.Context) error {
			_, err := conn.Exec(ctx, "select count(*) from s.t_0")
			return err
		},
		"login": func(ctx context.Context) error {
			another, err := pgx.ConnectConfig(ctx, config)
			if err != nil {
				return err
			}
			return another.Close(ctx)
		},
	}
	took := map[string][]time.Duration{}
	for ctx.Err() == nil {
		for what, do := range feelings {
			var err error
			took[what] = append(took[what], elapsed(func() { err = do(context.WithoutCancel(ctx)) }))
			if err != nil {
				tb.Error(err)
				return took
			}
		}
	}
	return took
}
