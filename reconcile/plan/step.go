package plan

import (
	"fmt"
	"slices"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Step is one statement of a plan, or a record in the registry, or both.
type Step struct {
	SQL      string         // as sent; empty: only the record
	As       string         // the role to act as; empty: the connected one
	Borrow   []string       // roles of which the connected one must be a member for the moment
	Usage    catalog.Object // the schema on which As gets USAGE for the moment; without a name: none
	Effects  []Effect
	Objects  []catalog.Object // of which it writes the ACL
	Owned    []catalog.Object // whose owner it changes, or which it creates
	Bundle   int              // steps with the same number, but 0, stand or fall together, and only their own row depends on them
	Optional bool             // only its own role, or row, depends on it
	Guarded  bool             // it is known to fail at times, and then nothing else must: a role that others have hung something on
	Renames  string           // the name by which the registry has the role from then on
	Creates  string           // the role that it creates
	Makes    string           // the intermediate role or keeper that it is a part of making
	Record   Record
	Fix      string // what helps where PostgreSQL refuses it for want of a privilege
}

// Record is what is written to the registry, or to the queue, together with a statement.
type Record struct {
	Kind RecordKind
	Args []any
	Sure bool // it must find its row: otherwise the pass is begun anew
}

// RecordKind names the statement of a record: apply/sql/<kind>.sql.
type RecordKind string

// The records.
const (
	NoRecord              RecordKind = ""
	RegisterIntermediate  RecordKind = "register_intermediate"
	ReuseIntermediate     RecordKind = "reuse_intermediate"
	RenameIntermediate    RecordKind = "rename_intermediate"
	ReplaceIntermediate   RecordKind = "replace_intermediate"
	SupersedeIntermediate RecordKind = "supersede_intermediate"
	ForgetIntermediate    RecordKind = "forget_intermediate"
	ForgetIntermediateOID RecordKind = "forget_intermediate_oid"
	RegisterKeeper        RecordKind = "register_keeper"
	ReuseKeeper           RecordKind = "reuse_keeper"
	RenameKeeper          RecordKind = "rename_keeper"
	ForgetKeeperOID       RecordKind = "forget_keeper_oid"
	QueueRole             RecordKind = "queue_role"
	SuspendRole           RecordKind = "suspend_role"
	ForgetSuspended       RecordKind = "forget_suspended"
)

// Effect is what a step does for one role.
type Effect struct {
	Role    string // as audit.role_name
	SQL     string // the statement with this role alone, secrets redacted
	Granted int
	Revoked int
	Changes []string // in words, such as "+ SELECT on table app.t"; effects of one step may share it; nil: SQL says it
}

// Described says what the effect was, for people.
func (e Effect) Described() []string {
	if e.Changes == nil && e.SQL != "" {
		return []string{e.SQL}
	}
	return e.Changes
}

// Revokes reports whether a role loses something by the step.
func (s Step) Revokes() bool {
	return slices.ContainsFunc(s.Effects, func(e Effect) bool { return e.Revoked > 0 })
}

// StepKey tells steps apart: the same statement by another role is another.
type StepKey struct{ As, SQL string }

// Key identifies the step among the plans of a pass.
func (s Step) Key() StepKey {
	if s.SQL == "" {
		return StepKey{SQL: fmt.Sprint(s.Record.Kind, s.Record.Args)}
	}
	return StepKey{s.As, s.SQL}
}

// Alone is the step for each of its roles, where it is for several and no more than a statement.
func (s Step) Alone() []Step {
	if len(s.Effects) < 2 || s.Record.Kind != NoRecord || s.Bundle != 0 || s.Effects[0].SQL == s.Effects[1].SQL {
		return nil
	}
	steps := make([]Step, len(s.Effects))
	for i, effect := range s.Effects {
		steps[i] = Step{SQL: effect.SQL, As: s.As, Borrow: s.Borrow, Usage: s.Usage, Effects: []Effect{effect}, Objects: s.Objects, Fix: s.Fix}
	}
	return steps
}

// Message lists the statements that are sent for the step.
func (s Step) Message() []string {
	if s.As == "" {
		return []string{s.SQL}
	}
	list := []string{"SET LOCAL ROLE " + catalog.Quote(s.As), s.SQL, "RESET ROLE"}
	if s.Usage.Name == "" {
		return list
	}
	lend, back := lendUsage(s.Usage.Name, s.As)
	return append(append([]string{lend}, list...), back)
}

// bundler numbers the bundles of a plan.
type bundler int

// bundle lets steps stand or fall together.
func (b *bundler) bundle(steps []Step) []Step {
	*b++
	for i := range steps {
		steps[i].Bundle = int(*b)
	}
	return steps
}
