package reconcile

import (
	"maps"
	"slices"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// span is where the statements of a step stand among all that ran.
type span struct {
	from, to int
	step     Step
}

// shown is what batches of a dry run share: each is rolled back, and so the next makes the same intermediate role again. It is printed once.
type shown struct {
	roles      map[string]bool // that a statement before creates
	statements map[string]bool
}

func newShown() *shown { return &shown{map[string]bool{}, map[string]bool{}} }

// filter leaves out of a batch's statements what was printed before.
func (s *shown) filter(statements []string, spans []span) []string {
	skip := make([]bool, len(statements))
	statements = slices.Clone(statements)
	before := *s
	s.roles, s.statements = maps.Clone(s.roles), maps.Clone(s.statements)
	for _, at := range spans {
		if at.to > len(statements) || !at.step.shared() {
			continue
		}
		text := at.step.shown()
		again := before.statements[text]
		s.statements[text] = true
		if name := at.step.creates; name != "" && !again {
			options := strings.TrimPrefix(text, "CREATE ROLE "+catalog.Quote(name))
			switch {
			case before.roles[name] && options == "":
				again = true
			case before.roles[name] && options != text:
				statements[at.from] = "ALTER ROLE " + catalog.Quote(name) + options
			}
			s.roles[name] = true
		}
		for i := at.from; again && i < at.to; i++ {
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
func (s Step) shared() bool {
	if s.about != "" || s.creates != "" || strings.HasPrefix(s.SQL, "CREATE SCHEMA ") {
		return true
	}
	for _, effect := range s.Effects {
		if !strings.HasPrefix(effect.Unit, "_pgsr_") {
			return false
		}
	}
	return len(s.Effects) > 0
}
