package plan

import "github.com/pg-sync-roles/pg-sync-roles/catalog"

// Questions lists the data that a plan needs and that the facts lack. Until they are answered into the facts, the plan is not finished.
type Questions struct {
	FreshNames    []Role         // registered roles of which another role has the name (Facts.FreshNames)
	Keepers       []string       // derived names: who has them? (Facts.Conflicts)
	Names         []NameQuestion // the same of intermediate roles
	Contents      []string       // intermediate roles to be replaced (Facts.Intermediates)
	Rules         bool           // the rules' word on each missing privilege (Facts.Rules)
	Held          []string       // roles of which held revokes and approvals are to be read (LimitFacts)
	Elsewhere     []int64        // deletions: what do they revoke from other roles, as their rows say? (LimitFacts.Elsewhere)
	ElsewhereHeld []int64        // and of that, what do these roles have? (LimitFacts.ElsewhereHeld)
	Writers       []int64        // who made these deletions, and how much do all roles hold through rows? (LimitFacts)
}

// NameQuestion asks whether a role that has the derived name of an intermediate role can be ours.
type NameQuestion struct {
	Name     string
	Selector Selector
}

// Empty reports whether the plan is finished.
func (q Questions) Empty() bool {
	return !q.Rules && len(q.Keepers)+len(q.Names)+len(q.FreshNames)+len(q.Contents)+len(q.Held)+len(q.Elsewhere)+len(q.ElsewhereHeld)+len(q.Writers) == 0
}

// add adds the questions about the limit.
func (q *Questions) add(limit Questions) {
	q.Held, q.Elsewhere, q.ElsewhereHeld, q.Writers = limit.Held, limit.Elsewhere, limit.ElsewhereHeld, limit.Writers
}

// OurKeepers lists the unregistered keepers that are there and can be ours: an intermediate role may have one of them as its member.
func (f *Facts) OurKeepers() []catalog.OID {
	ours := []catalog.OID{}
	for _, name := range sortedKeys(f.Conflicts) {
		if h := f.Conflicts[name]; h != nil && h.Keeper && h.Problem == "" {
			ours = append(ours, h.OID)
		}
	}
	return ours
}
