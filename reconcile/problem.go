package reconcile

import (
	"cmp"
	"slices"
)

// Problem is something that a row asks for and that was not done.
type Problem struct {
	Kind      Outcome `json:"kind"` // waiting, refused or blocked
	GrantID   int64   `json:"grant_id,omitempty"`
	Privilege string  `json:"privilege,omitempty"`
	Object    string  `json:"object,omitempty"`
	Reason    string  `json:"reason"`
	Fix       string  `json:"fix,omitempty"`    // the statement that somebody with the right to can run
	Taking    bool    `json:"taking,omitempty"` // it is about something to be taken away
}

// problems collects what each role cannot have.
type problems map[string][]Problem

func (p problems) add(role string, problem Problem) {
	if !slices.Contains(p[role], problem) {
		p[role] = append(p[role], problem)
	}
}

func sortProblems(list []Problem) {
	slices.SortFunc(list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.GrantID, b.GrantID), cmp.Compare(a.Privilege, b.Privilege), cmp.Compare(a.Object, b.Object), cmp.Compare(a.Reason, b.Reason))
	})
}
