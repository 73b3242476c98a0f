package metrics_test

import (
	"encoding/json"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/internal/metrics"
)

const examples = "../../examples/monitoring/"

// board is what this test needs of Grafana's dashboard.
type board struct {
	UID, Title string
	Templating struct{ List []struct{ Name string } }
	Panels     []struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ H, W, X, Y int }
		Targets []struct{ Expr, RefID string }
	}
}

func readBoard(t *testing.T) (b board) {
	t.Helper()
	text, err := os.ReadFile(examples + "dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// The alerts and the board ask only for series that are there.
func TestExamplesNameOurSeries(t *testing.T) {
	t.Parallel()
	m := metrics.New("test", zerolog.Nop())
	m.Database("db", time.Minute, nowhere)
	served := get(t, m, "/metrics").Body.String()
	for _, asked := range []string{"pending", "pending_oldest_age_seconds", "retries_waiting", "violations", "roles"} { // of the database, which does not answer here
		served += "\npg_sync_roles_" + asked + "{"
	}
	series := regexp.MustCompile(`pg_sync_roles_\w+`)
	for _, file := range []string{"alerts.yml", "alerts_test.yml", "dashboard.json"} {
		text, err := os.ReadFile(examples + file)
		if err != nil {
			t.Fatal(err)
		}
		names := series.FindAllString(string(text), -1)
		for _, name := range names {
			if !strings.Contains(served, "\n"+name+"{") {
				t.Errorf("%s: there is no %s", file, name)
			}
		}
		if len(names) < 5 {
			t.Errorf("%s names only %q", file, names)
		}
	}
}

// The board has what Grafana needs: each panel its own id and place, and queries.
func TestBoard(t *testing.T) {
	t.Parallel()
	b := readBoard(t)
	if b.UID == "" || b.Title == "" || len(b.Templating.List) != 3 || len(b.Panels) < 10 {
		t.Errorf("the board is not complete: %+v", b)
	}
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range b.Panels {
		if ids[p.ID] || p.ID == 0 || p.Title == "" || len(p.Targets) == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %+v", p)
		}
		ids[p.ID] = true
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if taken[at] != "" {
					t.Fatalf("panels %q and %q overlap", taken[at], p.Title)
				}
				taken[at] = p.Title
			}
		}
	}
}

// Prometheus' own tool runs the tests of the alerts, and reads the queries of the board.
func TestAlerts(t *testing.T) {
	t.Parallel()
	promtool := os.Getenv("TEST_PROMTOOL")
	if promtool == "" {
		t.Skip("TEST_PROMTOOL does not say where promtool is (.ci/fetch-promtool)")
	}
	dir := t.TempDir()
	rules := "groups:\n  - name: board\n    rules:\n"
	variables := strings.NewReplacer("$__rate_interval", "5m", "$job", "x", "$database", "x")
	for _, p := range readBoard(t).Panels {
		for _, target := range p.Targets {
			rules += fmt.Sprintf("      - {record: panel_%d_%s, expr: %q}\n", p.ID, target.RefID, variables.Replace(target.Expr))
		}
	}
	queries := filepath.Join(dir, "board.yml")
	if err := os.WriteFile(queries, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check", "rules", examples + "alerts.yml", queries}, {"test", "rules", examples + "alerts_test.yml"}} {
		if out, err := osexec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
