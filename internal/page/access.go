package page

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/access"
	"github.com/pg-sync-roles/pg-sync-roles/desired/explain"
)

// roleAccess is what a role can do, as a table and as a graph.
type roleAccess struct {
	*explain.Explanation
	Search    string
	Lines     []accessLine
	Total     int // of lines; some are shown
	From      int
	more      bool
	Next      string
	Selectors map[string]string // what intermediate roles hold
	Graph     *graph            // nil: there is nothing to draw
}

// accessLine is privileges on one object that a role has by the same path.
type accessLine struct {
	Type, Schema, Name string
	Privileges         []string
	Path               *explain.Path // nil: it has none of them
	Unfulfilled        []explain.Unfulfilled
	BlockedBy          []string
	Notes              []string
}

// accessOf makes lines of an explanation, and takes those that fit the page.
func accessOf(x *explain.Explanation, search string, from int) *roleAccess {
	a := &roleAccess{Explanation: x, Search: search, From: from}
	for _, e := range x.Everywhere {
		for i := range e.Paths {
			a.add(accessLine{Type: "every " + string(e.Type), Privileges: []string{privilegeText(e.Privilege)}, Path: &e.Paths[i]})
		}
	}
	for _, o := range x.Objects {
		for _, line := range linesOf(o) {
			a.add(line)
		}
	}
	a.take()
	return a
}

func (a *roleAccess) add(line accessLine) {
	if a.Search != "" && !strings.Contains(strings.ToLower(line.Schema+"."+line.Name), strings.ToLower(a.Search)) {
		return
	}
	a.Lines = append(a.Lines, line)
}

// take takes the lines that fit the page: what every role has comes after the rest, and last what it has perhaps.
func (a *roleAccess) take() {
	slices.SortStableFunc(a.Lines, func(x, y accessLine) int { return cmp.Compare(x.weight(), y.weight()) })
	a.Total = len(a.Lines)
	a.From = min(a.From, a.Total)
	end := min(a.From+manyLines, a.Total)
	a.more = end < a.Total
	a.Lines = a.Lines[a.From:end]
}

func (l accessLine) weight() int {
	switch {
	case l.Path != nil && l.Path.Possible:
		return 2
	case l.Path != nil && l.Path.Holder == catalog.Public:
		return 1
	}
	return 0
}

// linesOf has one line for each path to an object, with all the privileges that it gives.
func linesOf(o explain.Object) (lines []accessLine) {
	index := map[string]int{}
	for _, p := range o.Privileges {
		for i := range p.Paths {
			key := pathKey(p.Paths[i])
			at, known := index[key]
			if !known {
				at = len(lines)
				index[key] = at
				lines = append(lines, accessLine{Type: string(o.Type), Schema: o.Schema, Name: o.Name, Path: &p.Paths[i], BlockedBy: o.BlockedBy, Notes: o.Notes})
			}
			lines[at].Privileges = append(lines[at].Privileges, privilegeText(p))
		}
		if len(p.Unfulfilled) > 0 {
			lines = append(lines, accessLine{Type: string(o.Type), Schema: o.Schema, Name: o.Name, Privileges: []string{privilegeText(p)}, Unfulfilled: p.Unfulfilled})
		}
	}
	return lines
}

func privilegeText(p explain.Privilege) string {
	if p.Column != "" {
		return p.Privilege + " (" + p.Column + ")"
	}
	return p.Privilege
}

// pathKey is the same for paths that differ in nothing but the privilege and the rows behind it.
func pathKey(p explain.Path) string {
	parts := []string{string(p.Means), p.Holder, p.SetRole, p.Join, p.Grantor, p.Through, p.Privilege, strconv.FormatBool(p.Possible)}
	for _, m := range p.Memberships {
		parts = append(parts, m.Role)
	}
	return strings.Join(append(parts, p.BlockedBy...), "\x00")
}

// groups are the roles that the paths lead over.
func (a *roleAccess) groups() map[string]bool {
	names := map[string]bool{}
	for _, m := range a.Memberships {
		names[m.Role] = true
	}
	names[a.Role] = true
	for _, o := range a.Objects {
		for _, p := range o.Privileges {
			for _, path := range p.Paths {
				for _, m := range path.Memberships {
					names[m.Role] = true
				}
			}
		}
	}
	for _, p := range a.Possible {
		for _, path := range p.Paths {
			for _, m := range path.Memberships {
				names[m.Role] = true
			}
		}
	}
	return names
}

// SomePossible is code of which it cannot be told what it does, as much as fits.
func (a *roleAccess) SomePossible() []explain.Possible {
	return a.Possible[:min(len(a.Possible), fewLines)]
}

// MorePossible is how much there is besides.
func (a *roleAccess) MorePossible() int { return max(0, len(a.Possible)-fewLines) }

// meansText is how the holder at the end of a path has the privilege.
func meansText(p explain.Path) string {
	switch p.Means {
	case access.Superuser:
		return "a superuser"
	case access.Predefined:
		return "has it on all"
	case access.Public:
		return "PUBLIC"
	case access.Member:
		return "a member"
	case access.Owner:
		return "the owner"
	case access.ThroughCode:
		if p.Holder == catalog.Public {
			return p.Privilege + " on it granted to PUBLIC"
		}
		return p.Privilege + " on it"
	}
	return "granted"
}
