package reconcile

import (
	"fmt"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/apply"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// What batches of a dry run share is printed once, and a role that one of them has created is altered by the next.
func TestPrintedOnce(t *testing.T) {
	t.Parallel()
	s := newPrinted()
	batch := func(want string, steps ...plan.Step) {
		t.Helper()
		var statements []string
		var spans []apply.Span
		for _, step := range steps {
			spans = append(spans, apply.Span{From: len(statements), To: len(statements) + 1, Step: step})
			statements = append(statements, step.SQL)
		}
		if got := fmt.Sprint(s.filter(statements, spans)); got != want {
			t.Errorf("printed %s, want %s", got, want)
		}
	}
	create := func(options string) plan.Step {
		return plan.Step{Creates: "x", SQL: "CREATE ROLE " + catalog.Quote("x") + options, Effects: []plan.Effect{{Role: "x"}}}
	}
	comment := plan.Step{Makes: "_pgsr_1", SQL: "COMMENT"}
	lend := plan.Step{SQL: "LEND"}
	batch(`[CREATE ROLE "x" COMMENT LEND]`, create(""), comment, lend)
	batch(`[ALTER ROLE "x" LOGIN LEND]`, create(" LOGIN"), comment, lend)
	batch(`[LEND]`, create(""), comment, lend)
}
