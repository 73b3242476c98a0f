package audit

import (
	"maps"
	"slices"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// Row is a row of sync_roles.audit.
type Row struct {
	Role        string         `json:"role_name"` // empty: the pass failed before it came to any role
	Cause       Cause          `json:"cause"`
	Outcome     plan.Outcome   `json:"outcome"`
	Granted     int            `json:"granted"`
	Revoked     int            `json:"revoked"`
	Statements  []string       `json:"statements"`
	Changes     []string       `json:"changes"` // what these did, in words; not in the table
	Problems    []plan.Problem `json:"problems"`
	SQLState    string         `json:"sqlstate,omitempty"`
	Error       string         `json:"error,omitempty"`
	RequestedBy []string       `json:"requested_by"`
	Attempt     int            `json:"attempt"`
	Duration    time.Duration  `json:"duration_ns"`
	Instance    string         `json:"instance"`
	Pass        string         `json:"pass"` // the same for all that was done in one transaction
}

// NewRow returns a row with nothing in it yet.
func NewRow(role string, cause Cause, outcome plan.Outcome, instance string) Row {
	return Row{
		Role: role, Cause: cause, Outcome: outcome, Statements: []string{}, Changes: []string{}, Problems: []plan.Problem{}, RequestedBy: []string{}, Attempt: 1,
		Instance: instance,
	}
}

// Result is how a pass ended, for all its roles.
type Result struct {
	Cause       Cause
	Instance    string
	Pass        string // its transaction
	Started     time.Time
	Roles       map[string]plan.Role
	Problems    plan.Problems
	Done        []plan.Step
	RequestedBy map[string][]string
	ApprovedBy  map[string]string
	Rehearsal   bool // all problems are told, also those of the last row
}

// Rows says for each role how the pass ended. A role for which there was no request gets a row only where something changed, or its outcome or problems
// are not those of its last row.
func (r Result) Rows() []Row {
	rows := map[string]*Row{}
	row := func(role string) *Row {
		if rows[role] == nil {
			n := NewRow(role, r.Cause, plan.Unchanged, r.Instance)
			n.Attempt, n.Duration, n.Pass = r.Roles[role].FailedAttempts+1, time.Since(r.Started), r.Pass
			rows[role] = &n
		}
		return rows[role]
	}
	for _, step := range r.Done {
		for _, effect := range step.Effects {
			r.addEffect(row(effect.Role), effect)
		}
	}
	for role, by := range r.RequestedBy {
		row(role).RequestedBy = by
	}
	for role, by := range r.ApprovedBy {
		if n := row(role); !slices.Contains(n.RequestedBy, by) {
			n.RequestedBy = append(slices.Clone(n.RequestedBy), by)
		}
	}
	for name, role := range r.Roles {
		list := slices.Clone(r.Problems[name])
		plan.SortProblems(list)
		_, there := rows[name]
		if there || StatusChanged(role, plan.WorstOf(false, list), list) || r.Rehearsal && len(list) > 0 {
			row(name).Problems = append([]plan.Problem{}, list...)
		}
	}
	result := make([]Row, 0, len(rows))
	for _, role := range slices.Sorted(maps.Keys(rows)) {
		n := rows[role]
		n.Outcome = plan.WorstOf(len(n.Statements) > 0, n.Problems)
		if i := slices.IndexFunc(n.Problems, func(p plan.Problem) bool { return p.Kind == plan.Failed }); i >= 0 {
			n.Error, n.SQLState = n.Problems[i].Reason, "55P03" // the one thing without which a pass goes on, and which is tried again
		}
		result = append(result, *n)
	}
	return result
}

// addEffect adds what a step did. Changes in words are hundreds of thousands, and only people read them.
func (r Result) addEffect(row *Row, effect plan.Effect) {
	row.Granted += effect.Granted
	row.Revoked += effect.Revoked
	if r.Cause == Manual {
		row.Changes = append(row.Changes, effect.Described()...)
	}
	if effect.SQL != "" {
		row.Statements = append(row.Statements, effect.SQL)
	}
}

// StatusChanged reports whether a role's last row no longer says how it is. Intermediate roles that are in order, and
// roles that are no longer managed, have nothing to say.
func StatusChanged(r plan.Role, outcome plan.Outcome, problems []plan.Problem) bool {
	if r.LastOutcome == "" && (r.Intermediate || !r.Managed) && len(problems) == 0 {
		return false
	}
	if r.LastOutcome == "" {
		return true
	}
	same := r.LastOutcome == outcome || r.LastOutcome.InSync() && outcome.InSync()
	return !same || !plan.SameProblems(r.LastProblems, problems)
}
