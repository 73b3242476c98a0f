package bench

import (
	"slices"
	"testing"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

// BenchmarkFleet loads a fleet into an empty database, and applies it; then it rescans, with nothing to do.
func BenchmarkFleet(b *testing.B) {
	for _, c := range []struct {
		name   string
		direct any
		floor  func(*fleet, testing.TB)
	}{{"direct", nil, (*fleet).floor}, {"intermediate", false, (*fleet).floorThroughRoles}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				f := newFleet(b, usual)
				floor := elapsed(func() { c.floor(f, b) })
				loadFloor := f.loadFloor(b, c.direct)
				load := f.load(b, c.direct)
				ours := elapsed(func() {
					_, err := f.engine.ServeQueue(b.Context(), audit.Notify)
					must(b, err)
				})
				f.check(b)
				whole, unchanged := f.rescans(b)
				b.ReportMetric(floor.Seconds(), "floor-s")
				b.ReportMetric(ours.Seconds(), "ours-s")
				b.ReportMetric(ours.Seconds()/floor.Seconds(), "ours/floor")
				b.ReportMetric(load.Seconds()/loadFloor.Seconds(), "load/floor")
				b.ReportMetric((load+ours).Seconds()/(loadFloor+floor).Seconds(), "all/floor")
				b.ReportMetric(whole.Seconds(), "whole-rescan-s")
				b.ReportMetric(unchanged.Seconds(), "unchanged-rescan-s")
			}
		})
	}
}

// rescans measures a rescan that inspects all roles, and one after it that finds nothing changed. Neither may have anything to do.
func (f *fleet) rescans(tb testing.TB) (whole, unchanged time.Duration) {
	tb.Helper()
	rescan := func() {
		report, err := f.engine.Rescan(tb.Context(), audit.Rescan)
		must(tb, err)
		if len(report.Rows) > 0 {
			tb.Fatalf("a rescan with nothing to do wrote %d audit rows", len(report.Rows))
		}
	}
	whole = elapsed(rescan)
	var took []time.Duration
	for range 20 {
		took = append(took, elapsed(rescan))
	}
	slices.Sort(took)
	return whole, took[len(took)/2]
}
