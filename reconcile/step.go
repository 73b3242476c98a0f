package reconcile

import (
	"slices"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Step is one statement of a plan.
type Step struct {
	SQL      string         // as sent
	As       string         // the role to act as; empty: the connected one
	Borrow   []string       // roles of which the connected one must be a member for the moment
	usage    catalog.Object // the schema on which As gets USAGE for the moment; without a name: none
	Effects  []Effect
	objects  []catalog.Object // of which it writes the ACL
	bundle   int              // steps with the same number, but 0, stand or fall together, and only their own row depends on them
	optional bool             // only its own role, or row, depends on it
	unit     string           // the name by which the registry has the role from then on
	creates  string           // the role that it creates
	about    string           // the intermediate role or keeper that it is a part of making
	then     string           // bookkeeping in sync_roles that goes with it
	args     []any
	sure     bool   // the bookkeeping must find its row: otherwise the pass is begun anew
	fix      string // what helps where PostgreSQL refuses it for want of a privilege
}

// Effect is what a step does for one role.
type Effect struct {
	Unit    string // the role, as audit.role_name
	SQL     string // the statement with this role alone, secrets redacted
	Granted int
	Revoked int
	Changes []string // in words, such as "+ SELECT on table app.t"; effects of one step may share it; nil: SQL says it
}

// changes says what the effect was.
func (e Effect) changes() []string {
	if e.Changes == nil && e.SQL != "" {
		return []string{e.SQL}
	}
	return e.Changes
}

// takes reports whether a role loses something by it.
func (s Step) takes() bool {
	return slices.ContainsFunc(s.Effects, func(e Effect) bool { return e.Revoked > 0 })
}

// key tells steps apart: the same statement by another role is another.
func (s Step) key() string { return s.As + "\x00" + s.SQL }

// alone is the step for each of its roles, where it is for several and no more than a statement.
func (s Step) alone() []Step {
	if len(s.Effects) < 2 || s.then != "" || s.bundle != 0 || s.Effects[0].SQL == s.Effects[1].SQL {
		return nil
	}
	steps := make([]Step, len(s.Effects))
	for i, effect := range s.Effects {
		steps[i] = Step{SQL: effect.SQL, As: s.As, Borrow: s.Borrow, usage: s.usage, Effects: []Effect{effect}, objects: s.objects, fix: s.fix}
	}
	return steps
}

// message lists the statements that are sent for the step.
func (s Step) message() []string {
	if s.As == "" {
		return []string{s.SQL}
	}
	list := []string{"SET LOCAL ROLE " + catalog.Quote(s.As), s.SQL, "RESET ROLE"}
	if s.usage.Name == "" {
		return list
	}
	lend, back := lendUsage(s.usage.Name, s.As)
	return append(append([]string{lend}, list...), back)
}
