package bench

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

var curve = flag.String("curve", "", "a file into which TestCurve writes what fleets of several sizes cost, for reconcile/bench/curve to draw")

// curveSizes go up to a million rows.
var curveSizes = []size{{100, 1000, 100}, {100, 1000, 1000}, {1000, 1000, 100}, {1000, 1000, 1000}, {10_000, 10_000, 100}}

// TestCurve measures fleets of several sizes: applied to an empty database, rescanned with nothing to do, and with one change.
func TestCurve(t *testing.T) { //nolint:paralleltest // it measures
	if *curve == "" {
		t.Skip("it takes an hour: see -curve")
	}
	lines := []string{"rows\troles\tgrants\tfloor s\tapply s\twhole rescan s\tunchanged rescan s\tone row ms\tresident MiB"}
	for _, s := range curveSizes {
		t.Run(fmt.Sprintf("%d roles × %d grants", s.roles, s.grants), func(t *testing.T) { //nolint:paralleltest // it measures
			f := newFleet(t, s)
			floor := elapsed(func() { f.floor(t) })
			f.load(t, nil)
			apply := elapsed(func() {
				_, err := f.engine.ServeQueue(t.Context(), audit.Notify)
				must(t, err)
			})
			f.check(t)
			whole, unchanged := f.rescans(t)
			stop := f.startDaemon(t, "ours", f.engine)
			f.exec(t, "ours", "set role owner", fmt.Sprintf("create table s.t_%d (id int)", s.tables))
			r := rower{f.connect(t, "daemon", "ours"), f.connect(t, pgserver.Superuser, "ours")}
			var one []time.Duration
			for range 50 {
				given, revoked := r.both(t, "ours_0", s.tables)
				one = append(one, given, revoked)
			}
			stop()
			p50, _ := quantiles(one)
			lines = append(lines, fmt.Sprintf("%d\t%d\t%d\t%.3f\t%.3f\t%.3f\t%.4f\t%.2f\t%d", s.roles*s.grants, s.roles, s.grants,
				floor.Seconds(), apply.Seconds(), whole.Seconds(), unchanged.Seconds(), p50, residentPeak(t)))
			must(t, os.WriteFile(*curve, []byte(strings.Join(lines, "\n")+"\n"), 0o600)) // each time: the largest takes longest
		})
	}
}

// residentPeak is the most memory that this process, engine and all, has had at once, in MiB: /proc/self/status, VmHWM.
func residentPeak(tb testing.TB) int {
	tb.Helper()
	status, err := os.Open("/proc/self/status")
	must(tb, err)
	defer func() { _ = status.Close() }()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
			must(tb, err)
			return kib >> 10
		}
	}
	tb.Fatal("/proc/self/status says nothing of VmHWM")
	return 0
}
