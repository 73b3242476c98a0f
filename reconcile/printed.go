package reconcile

import (
	"maps"
	"slices"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/apply"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// printed is what batches of a dry run have printed: each is rolled back, and so the next makes the same intermediate role again.
type printed struct {
	roles      map[string]bool // that a statement before creates
	statements map[string]bool
}

func newPrinted() *printed { return &printed{map[string]bool{}, map[string]bool{}} }

// filter leaves out of a batch's statements what was printed before.
func (s *printed) filter(statements []string, spans []apply.Span) []string {
	skip := make([]bool, len(statements))
	statements = slices.Clone(statements)
	before := *s
	s.roles, s.statements = maps.Clone(s.roles), maps.Clone(s.statements)
	for _, at := range spans {
		if at.To > len(statements) || !shared(at.Step) {
			continue
		}
		text := at.Step.SQL
		again := before.statements[text]
		s.statements[text] = true
		if name := at.Step.Creates; name != "" && !again {
			options := strings.TrimPrefix(text, "CREATE ROLE "+catalog.Quote(name))
			switch {
			case before.roles[name] && options == "":
				again = true
			case before.roles[name] && options != text:
				statements[at.From] = "ALTER ROLE " + catalog.Quote(name) + options
			}
			s.roles[name] = true
		}
		for i := at.From; again && i < at.To; i++ {
			skip[i] = true
		}
	}
	var left []string
	for i, text := range statements {
		if !skip[i] {
			left = append(left, text)
		}
	}
	return left
}

// shared reports whether two batches can have the same step: it makes or fills what several roles use.
func shared(s plan.Step) bool {
	if s.Makes != "" || s.Creates != "" || strings.HasPrefix(s.SQL, "CREATE SCHEMA ") {
		return true
	}
	for _, effect := range s.Effects {
		if !plan.IsOurs(effect.Role) {
			return false
		}
	}
	return len(s.Effects) > 0
}
