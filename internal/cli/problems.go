package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

const inSync = "in_sync"

// whyStatus is the error or the problem that gives the role its status, in words.
func whyStatus(s audit.Status) string {
	if s.Error != nil {
		return *s.Error
	}
	switch {
	case len(s.Problems) == 0 && s.Sessions > 0:
		return fmt.Sprintf("%d sessions still have what was taken", s.Sessions)
	case len(s.Problems) == 0 && s.State != "active":
		return s.State
	case len(s.Problems) == 0:
		return ""
	}
	i := max(0, slices.IndexFunc(s.Problems, func(p plan.Problem) bool { return string(p.Kind) == s.Status }))
	why := s.Problems[i].Reason
	if s.Problems[i].Fix != "" {
		why += "; to allow it: " + catalog.Printable(s.Problems[i].Fix)
	}
	if more := len(s.Problems) - 1; more > 0 {
		why += fmt.Sprintf(" (and %d more)", more)
	}
	return why
}

// printProblems shows each role that is not in sync, and under it all of its problems with their fixes.
func printProblems(w io.Writer, list []databaseStatus) error {
	p := problemPrinter{shown: terminalOf(w)}
	for _, d := range list {
		for _, s := range d.roles {
			if s.Status != inSync || len(s.Problems) > 0 {
				p.role(d.database, s)
			}
		}
	}
	if p.text.Len() == 0 {
		p.text.WriteString("All roles are in sync.\n")
	}
	_, err := io.WriteString(unwrapped(w), p.text.String())
	return err
}

type problemPrinter struct {
	shown terminal
	text  strings.Builder
}

func (p *problemPrinter) role(database string, s audit.Status) {
	head := printable(s.Role)
	if database != "" {
		head = printable(database) + " / " + head
	}
	head += ": " + p.shown.paint(s.Status, wordColours[s.Status])
	if at := since(s); at != "" {
		head += " since " + at
	}
	if s.NextRetryAt != nil {
		head += fmt.Sprintf(", attempt %d, again at %s", s.Attempts, s.NextRetryAt.Format("15:04:05"))
	}
	p.text.WriteString(head + "\n")
	if s.Error != nil {
		p.paragraph("  ", "  ", *s.Error)
	}
	for _, problem := range s.Problems {
		p.paragraph("  - ", "    ", problemText(problem))
		if problem.Fix != "" { // in one line, to be copied
			p.text.WriteString("    to allow it: " + catalog.Printable(problem.Fix) + "\n")
		}
	}
}

// problemText is a problem in words: what it is about, if its reason does not say so, and the reason.
func problemText(p plan.Problem) string {
	about := cmp.Or(p.Object, p.Statement)
	if strings.Contains(p.Reason, about) {
		about = ""
	}
	if about = strings.TrimSpace(p.Privilege + " " + about); about != "" {
		about += ": "
	}
	return about + p.Reason
}

// paragraph is a text that a terminal shows indented, also where it goes on in further lines.
func (p *problemPrinter) paragraph(first, next, text string) {
	lines := []string{printable(text)}
	if p.shown.width > 0 {
		lines = wrapped(lines[0], max(lastColumn, p.shown.width-len(next)))
	}
	for i, line := range lines {
		indent := next
		if i == 0 {
			indent = first
		}
		p.text.WriteString(indent + line + "\n")
	}
}
