package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
)

// BenchmarkRows writes a million rows in one statement, beside the same into a table of the same columns, constraints and indexes, without triggers.
func BenchmarkRows(b *testing.B) {
	const rows = 1_000_000
	ways := map[string]func(context.Context, *pgx.Conn, string) error{
		"INSERT": func(ctx context.Context, conn *pgx.Conn, table string) error {
			_, err := conn.Exec(ctx, fmt.Sprintf(`insert into sync_roles.%s (role_name, privilege, object_type, schema_name, object_name)
				select 'r_' || i / 1000, 'SELECT', 'table', 's', 't_' || i %% 1000 from generate_series(0, %d) as i`, table, rows-1))
			return err
		},
		"COPY": func(ctx context.Context, conn *pgx.Conn, table string) error {
			_, err := conn.CopyFrom(ctx, pgx.Identifier{"sync_roles", table}, []string{"role_name", "privilege", "object_type", "schema_name", "object_name"},
				pgx.CopyFromSlice(rows, func(i int) ([]any, error) {
					return []any{fmt.Sprintf("r_%d", i/1000), "SELECT", "table", "s", fmt.Sprintf("t_%d", i%1000)}, nil
				}))
			return err
		},
	}
	for name, write := range ways {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f := newFleet(b, size{1, 1, 1})
				f.exec(b, "ours", "set role daemon", "create table sync_roles.floor (like sync_roles.desired_grants including all)")
				conn := f.connect(b, "daemon", "ours")
				took := map[string]time.Duration{}
				for _, table := range []string{"floor", "desired_grants"} {
					took[table] = elapsed(func() { must(b, write(b.Context(), conn, table)) })
					f.exec(b, "ours", "checkpoint")
				}
				b.ReportMetric(took["floor"].Seconds(), "floor-s")
				b.ReportMetric(took["desired_grants"].Seconds(), "ours-s")
				b.ReportMetric(took["desired_grants"].Seconds()/took["floor"].Seconds(), "ours/floor")
			}
		})
	}
}

// BenchmarkWriters lets eight writers commit one row after the other for 30 seconds, beside a daemon; and the same into a table without triggers.
func BenchmarkWriters(b *testing.B) {
	const lasting = 30 * time.Second
	for b.Loop() {
		f := newFleet(b, usual)
		f.exec(b, "ours", "set role daemon", "create table sync_roles.floor (like sync_roles.desired_grants including all)",
			"insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) select 'ours_' || r, 'USAGE', 'schema', null, 's' from generate_series(0, 999) as r")
		stop := f.startDaemon(b, "ours", f.engine)
		watcher := f.connect(b, pgserver.Superuser, "ours")
		count := func(sql string) (n int) {
			must(b, watcher.QueryRow(b.Context(), sql).Scan(&n))
			return n
		}
		await(b, watcher, queueIsEmpty)
		floor := f.write(b, "floor", lasting)
		const applied = "select coalesce(sum(granted), 0) from sync_roles.audit"
		before := count(applied)
		written := f.write(b, "desired_grants", lasting)
		left, done := count("select count(*) from sync_roles.pending"), count(applied)-before
		drained := elapsed(func() { await(b, watcher, queueIsEmpty) })
		f.check(b)
		stop()
		b.ReportMetric(float64(floor)/lasting.Seconds(), "floor-rows/s")
		b.ReportMetric(float64(written)/lasting.Seconds(), "written-rows/s")
		b.ReportMetric(float64(done)/lasting.Seconds(), "applied-rows/s")
		b.ReportMetric(float64(left), "left-rows")
		b.ReportMetric(drained.Seconds(), "drained-after-s")
	}
}

// write lets eight sessions insert rows, of other tables for other roles each, and returns how many they committed.
func (f *fleet) write(tb testing.TB, table string, lasting time.Duration) int64 {
	tb.Helper()
	const writers = 8
	var written atomic.Int64
	var all sync.WaitGroup
	end := time.Now().Add(lasting)
	for w := range writers {
		conn := f.connect(tb, "daemon", "ours")
		all.Go(func() {
			for i := w; time.Now().Before(end); i += writers {
				_, err := conn.Exec(tb.Context(), "insert into sync_roles."+table+" (role_name, privilege, object_type, schema_name, object_name) values ($1, 'SELECT', 'table', 's', $2)",
					fmt.Sprintf("ours_%d", i%f.roles), fmt.Sprintf("t_%d", i/f.roles%f.tables))
				if err != nil {
					tb.Error(err)
					return
				}
				written.Add(1)
			}
		})
	}
	all.Wait()
	return written.Load()
}
