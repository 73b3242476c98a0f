package bench

import (
	"testing"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

// BenchmarkPattern makes one table that matches a pattern of 3,000 roles, and rescans: that is one GRANT.
func BenchmarkPattern(b *testing.B) {
	f := newFleet(b, size{3000, 1000, 1})
	f.exec(b, "ours", `set role daemon`, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match)
		select 'ours_' || r, 'SELECT', 'table', 's', 't%', 'like' from generate_series(0, 2999) as r`)
	_, err := f.engine.ServeQueue(b.Context(), audit.Notify)
	must(b, err)
	watcher := f.connect(b, pgserver.Superuser, "ours")
	var took, floor []time.Duration
	statements := 0
	for b.Loop() {
		f.exec(b, "ours", "set role owner", "drop table if exists s.tnew, s.other", "create table s.tnew ()", "create table s.other ()")
		took = append(took, elapsed(func() {
			report, err := f.engine.Rescan(b.Context(), audit.Rescan)
			must(b, err)
			statements = len(report.Statements)
		}))
		var all bool
		must(b, watcher.QueryRow(b.Context(), `select bool_and(has_table_privilege(rolname, 's.tnew', 'SELECT') and not has_table_privilege(rolname, 's.other', 'SELECT'))
			from pg_roles where rolname ~ '^ours_'`).Scan(&all))
		if !all {
			b.Fatal("not all roles have the new table, and no other")
		}
		floor = append(floor, elapsed(func() { f.exec(b, "ours", "grant select on s.other to owner") }))
	}
	p50, _ := quantiles(took)
	b.ReportMetric(p50, "rescan-p50-ms")
	p50, _ = quantiles(floor)
	b.ReportMetric(p50, "one-grant-p50-ms")
	b.ReportMetric(float64(statements), "statements")
}
