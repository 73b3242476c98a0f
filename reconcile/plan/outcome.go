package plan

// Outcome is how a pass ended for a role, and of what kind a problem is, in the words of audit.outcome.
type Outcome string

// The outcomes, from good to bad.
const (
	Unchanged Outcome = "unchanged" // nothing to do
	Applied   Outcome = "applied"   // changed, and read back as desired
	Waiting   Outcome = "waiting"   // some objects do not exist yet
	Refused   Outcome = "refused"   // a row that the engine does not obey
	Blocked   Outcome = "blocked"   // the daemon lacks a right, or another grantor's grant is in the way
	Held      Outcome = "held"      // a safety limit
	Failed    Outcome = "failed"    // an error; it will be tried again
)

var severity = map[Outcome]int{Unchanged: 0, Applied: 1, Waiting: 2, Refused: 3, Blocked: 4, Held: 5, Failed: 6}

// WorstOf returns the outcome for a role that was changed or not, and that has these problems.
func WorstOf(changed bool, problems []Problem) Outcome {
	worst := Unchanged
	if changed {
		worst = Applied
	}
	for _, p := range problems {
		if severity[p.Kind] > severity[worst] {
			worst = p.Kind
		}
	}
	return worst
}

// InOrder reports whether a role with this outcome has all that it can have.
func (o Outcome) InOrder() bool { return o == Applied || o == Unchanged || o == Waiting }

// InSync reports whether a role with this outcome has all that its rows ask for.
func (o Outcome) InSync() bool { return o == Applied || o == Unchanged }
