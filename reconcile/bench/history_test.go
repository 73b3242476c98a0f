package bench

import (
	"testing"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

const withoutHistory = `create or replace function sync_roles.record_access(cause text, class_oids oid[], object_oids oid[], followers_of oid[], schema_names text[], member_names text[])
	returns bigint language sql return 0`

// BenchmarkHistory measures what it costs a pass to record history: rows as BenchmarkRow, in turn with record_access as it is, and emptied.
func BenchmarkHistory(b *testing.B) {
	f := newFleet(b, usual)
	f.load(b, nil)
	_, err := f.engine.ServeQueue(b.Context(), audit.Notify)
	must(b, err)
	f.inSync(b)
	var recording string
	owner := f.connect(b, pgserver.Superuser, "ours")
	must(b, owner.QueryRow(b.Context(), "select pg_get_functiondef('sync_roles.record_access'::regproc)").Scan(&recording))
	f.exec(b, "ours", "vacuum analyze", "checkpoint")
	stop := f.startDaemon(b, "ours", f.engine)
	defer stop()
	r := rower{f.connect(b, "daemon", "ours"), owner}
	table := f.otherTable(0)
	var given, revoked [2][]time.Duration
	for b.Loop() {
		for range 20 {
			for kind, definition := range []string{recording, withoutHistory} {
				_, err := owner.Exec(b.Context(), definition)
				must(b, err)
				for range 5 {
					r.both(b, "ours_0", table)
				}
				for range 20 {
					insert, remove := r.both(b, "ours_0", table)
					given[kind], revoked[kind] = append(given[kind], insert), append(revoked[kind], remove)
				}
			}
		}
	}
	for name, took := range map[string][2][]time.Duration{"given": given, "revoked": revoked} {
		with, _ := quantiles(took[0])
		without, _ := quantiles(took[1])
		b.ReportMetric(with, name+"-p50-ms")
		b.ReportMetric(with/without, name+"-ratio")
	}
}
