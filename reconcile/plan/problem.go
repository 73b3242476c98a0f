package plan

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// Problem is a difference between a role and its rows that a pass did not remove, and the reason. It is an element of audit.problems.
type Problem struct {
	Kind      Outcome `json:"kind"` // waiting, refused, blocked, held or failed
	Code      Code    `json:"code,omitempty"`
	GrantID   int64   `json:"grant_id,omitempty"`
	Role      string  `json:"role,omitempty"` // the role that the problem is about
	Privilege string  `json:"privilege,omitempty"`
	Object    string  `json:"object,omitempty"`
	Statement string  `json:"statement,omitempty"` // what PostgreSQL did not do
	Reason    string  `json:"reason"`
	Fix       string  `json:"fix,omitempty"`    // a statement that solves it, for whoever has the right to run it
	Revoke    bool    `json:"taking,omitempty"` // something is still there that should be revoked
}

// UnmarshalJSON reads a problem as any version has written it: the audit keeps what versions before 15 of the schema wrote, which had no codes, and the
// statement in the place of the object.
func (p *Problem) UnmarshalJSON(text []byte) error {
	type plain Problem
	if err := json.Unmarshal(text, (*plain)(p)); err != nil {
		return err
	}
	if p.Code != "" {
		return nil
	}
	switch {
	case strings.HasPrefix(p.Reason, "PostgreSQL reported success, and nothing changed"):
		p.Code, p.Statement, p.Object = NoEffect, p.Object, ""
	case strings.HasPrefix(p.Reason, RejectedReason):
		p.Code, p.Statement, p.Object = Rejected, p.Object, ""
	}
	return nil
}

// RejectedReason is how the reason begins where PostgreSQL gave it.
const RejectedReason = "PostgreSQL refused it: "

// Problems are the problems of each role.
type Problems map[string][]Problem

// Add adds a problem of a role, once.
func (p Problems) Add(role string, problem Problem) {
	if !slices.Contains(p[role], problem) {
		p[role] = append(p[role], problem)
	}
}

// Merge adds the problems of all roles.
func (p Problems) Merge(others Problems) {
	for role, list := range others {
		for _, problem := range list {
			p.Add(role, problem)
		}
	}
}

// KeepsAccess reports whether a role has something that should be revoked.
func KeepsAccess(list []Problem) bool {
	return slices.ContainsFunc(list, func(p Problem) bool { return p.Revoke })
}

// SameProblems reports whether two lists of problems, each in order, say the same. Problems from before version 15 of the schema may lack a code.
func SameProblems(a, b []Problem) bool {
	return slices.EqualFunc(a, b, func(a, b Problem) bool { return a == b || a.undated() == b.undated() && (a.Code == "" || b.Code == "") })
}

// undated is the problem without what versions before 15 of the schema did not write.
func (p Problem) undated() Problem {
	p.Code, p.Role = "", ""
	if p.Statement != "" {
		p.Object = ""
	}
	return p
}

// SortProblems puts problems in the order in which the audit has them.
func SortProblems(list []Problem) {
	slices.SortFunc(list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.GrantID, b.GrantID), cmp.Compare(a.Privilege, b.Privilege), cmp.Compare(a.Object, b.Object), cmp.Compare(a.Statement, b.Statement), cmp.Compare(a.Reason, b.Reason))
	})
}
