package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// suggestion is a suggestion in JSON.
type suggestion struct {
	Group      string         `json:"group"`
	Exists     bool           `json:"exists"`
	Members    []string       `json:"members"`
	Privileges int            `json:"privileges"` // that each member has
	Statements []string       `json:"statements"` // for one transaction
	Many       bool           `json:"many"`       // it revokes more than --max-revokes, and may be held
	Problems   []plan.Problem `json:"problems"`   // with any, it is no good
}

func printSuggestions(w io.Writer, out output, list []reconcile.Suggestion) error {
	if out.json() {
		return writeJSON(w, suggestionsForJSON(list))
	}
	var b strings.Builder
	if len(list) == 0 {
		b.WriteString("-- No roles hold so much alike that a group would make it less.\n")
	}
	for i, s := range list {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(comment(fmt.Sprintf("%d of %d: %s", i+1, len(list), headline(s))))
		if len(s.Problems) > 0 {
			printUnfit(&b, s)
			continue
		}
		if s.Many {
			b.WriteString(comment("This revokes more than --max-revokes. Where that, with all else at the time, is also more than --max-revokes-percent, it waits for: pg-sync-roles sync --approve"))
		}
		b.WriteString("BEGIN;\n")
		for _, statement := range s.Statements() {
			b.WriteString(comment(statement.Why) + statement.SQL + ";\n")
		}
		b.WriteString("COMMIT;\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func suggestionsForJSON(list []reconcile.Suggestion) []suggestion {
	result := []suggestion{}
	for _, s := range list {
		j := suggestion{Group: s.Group, Exists: s.Exists, Privileges: s.Privileges, Many: s.Many, Problems: append([]plan.Problem{}, s.Problems...)}
		for _, m := range s.Members {
			j.Members = append(j.Members, m.Name)
		}
		for _, statement := range s.Statements() {
			j.Statements = append(j.Statements, statement.SQL)
		}
		result = append(result, j)
	}
	return result
}

func headline(s reconcile.Suggestion) string {
	group := "a new group"
	if s.Exists {
		group = "a role that holds just this"
	}
	return fmt.Sprintf("%s, %s, for %s with the same %s", s.Group, group, counted(len(s.Members), "role"), counted(s.Privileges, "privilege"))
}

// printUnfit tells why there is no SQL.
func printUnfit(b *strings.Builder, s reconcile.Suggestion) {
	var names []string
	for _, m := range s.Members {
		names = append(names, m.Name)
	}
	b.WriteString(comment("Its members would be " + strings.Join(names, ", ") + ". It is not written out, because a pass could not do all of it:"))
	for _, p := range s.Problems {
		b.WriteString(comment(fmt.Sprintf("%s: %s: %s", p.Role, p.Kind, p.Reason)))
		if p.Fix != "" {
			b.WriteString(comment("  to allow it: " + p.Fix))
		}
	}
}
