package bench

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

// BenchmarkRow measures from the commit of one INSERT until the access works, and from that of its DELETE until it is gone, with an idle daemon: with the
// fleet in place; with much in the cluster that is none of the daemon's business; and for a role that has 5,000 other rows.
func BenchmarkRow(b *testing.B) {
	for _, c := range []struct {
		name    string
		prepare func(testing.TB, *fleet)
	}{
		{"fleet", func(tb testing.TB, f *fleet) { tb.Helper(); f.load(tb, nil) }},
		{"large cluster", fillCluster},
		{"large role", func(tb testing.TB, f *fleet) {
			tb.Helper()
			f.exec(tb, "ours", "set role owner", `do $$ begin for t in 1..5000 loop execute format('create table s.own_%s (id int)', t); if t % 500 = 0 then commit; end if; end loop; end $$`,
				"reset role", "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) select 'ours_0', 'SELECT', 'table', 's', 'own_' || t from generate_series(1, 5000) as t")
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			f := newFleet(b, usual)
			c.prepare(b, f)
			f.exec(b, "ours", `insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name) values ('ours_0', 'CONNECT', 'database', 'ours')
				on conflict do nothing`)
			_, err := f.engine.ServeQueue(b.Context(), audit.Notify)
			must(b, err)
			f.inSync(b)
			f.exec(b, "ours", "vacuum analyze", "checkpoint")
			stop := f.startDaemon(b, "ours", f.engine)
			r := rower{f.connect(b, "daemon", "ours"), f.connect(b, pgserver.Superuser, "ours")}
			table := f.otherTable(0)
			for range 50 {
				r.both(b, "ours_0", table)
			}
			var given, revoked, floor []time.Duration
			for b.Loop() {
				for range 200 {
					insert, remove := r.both(b, "ours_0", table)
					given, revoked = append(given, insert), append(revoked, remove)
				}
			}
			stop()
			for range 200 {
				floor = append(floor, elapsed(func() {
					_, err := r.watcher.Exec(b.Context(), fmt.Sprintf("grant select on s.t_%d to ours_0", table))
					must(b, err)
				}))
				_, err := r.watcher.Exec(b.Context(), fmt.Sprintf("revoke select on s.t_%d from ours_0", table))
				must(b, err)
			}
			for name, took := range map[string][]time.Duration{"given": given, "revoked": revoked, "floor": floor} {
				p50, p99 := quantiles(took)
				b.ReportMetric(p50, name+"-p50-ms")
				b.ReportMetric(p99, name+"-p99-ms")
			}
		})
	}
}

// otherTable is a table on which no row gives a role anything.
func (f *fleet) otherTable(role int) int {
	table := 0
	for slices.Contains(f.chosen[role], table) {
		table++
	}
	return table
}

// fillCluster makes 50,000 tables in the database and 1,000,000 memberships in the cluster.
func fillCluster(tb testing.TB, f *fleet) {
	tb.Helper()
	f.exec(tb, "ours",
		"do $$ begin for t in 1..50000 loop execute format('create table public.other_%s ()', t); if t % 500 = 0 then commit; end if; end loop; end $$",
		"do $$ begin for r in 1..1000 loop execute format('create role group_%s', r); execute format('create role member_%s', r); end loop; end $$",
		"do $$ begin for r in 1..1000 loop execute (select format('grant %s to member_%s', string_agg('group_' || g, ', '), r) from generate_series(1, 1000) as g); commit; end loop; end $$",
		"vacuum analyze")
}

// inSync fails unless all roles are: one that is not is inspected whole, whatever is changed.
func (f *fleet) inSync(tb testing.TB) {
	tb.Helper()
	var others int
	must(tb, f.connect(tb, pgserver.Superuser, "ours").QueryRow(tb.Context(), "select count(*) from sync_roles.role_status where status <> 'in_sync'").Scan(&others))
	if others > 0 {
		tb.Fatalf("%d roles are not in sync", others)
	}
}

// rower writes one row, and watches.
type rower struct{ writer, watcher *pgx.Conn }

func (r rower) both(tb testing.TB, role string, table int) (given, revoked time.Duration) {
	tb.Helper()
	_, err := r.writer.Exec(tb.Context(), "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ($1, 'SELECT', 'table', 's', $2)",
		role, fmt.Sprintf("t_%d", table))
	must(tb, err)
	given = r.until(tb, role, table, true)
	_, err = r.writer.Exec(tb.Context(), "delete from sync_roles.desired_grants where role_name = $1 and object_name = $2", role, fmt.Sprintf("t_%d", table))
	must(tb, err)
	return given, r.until(tb, role, table, false)
}

func (r rower) until(tb testing.TB, role string, table int, want bool) time.Duration {
	tb.Helper()
	for started := time.Now(); ; {
		var works bool
		must(tb, r.watcher.QueryRow(tb.Context(), "select has_table_privilege($1, $2, 'SELECT')", role, fmt.Sprintf("s.t_%d", table)).Scan(&works))
		if works == want {
			return time.Since(started)
		}
	}
}
