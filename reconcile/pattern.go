package reconcile

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/inspect"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// Comparing a pattern with names can take any time. What a pass reads, while others wait for it, has little; and when that is not enough, the patterns of
// its roles are measured, without the lock, and those that take too long are left out from then on.
const (
	readingTimeout  = 5 * time.Second // for a statement of a pass that reads
	measuringTime   = 5 * time.Second // for all that are measured in one go
	remeasureAfter  = 10 * time.Minute
	remeasuringTime = 2 * time.Second // in one rescan
)

// patternAllowances are for all patterns together of a role that stands alone and takes too long, one after the other: the names are compared many times.
var patternAllowances = []time.Duration{500 * time.Millisecond, 5 * time.Millisecond, 0}

// readingTime is how long a statement of a pass may take that reads.
func (e *Engine) readingTime(w work) time.Duration {
	if w.slow.unhurried {
		return e.statementTimeout
	}
	return min(readingTimeout, e.statementTimeout)
}

// slowness is what was done about statements that took too long.
type slowness struct {
	measured   bool // the patterns of the roles
	allowances int  // how often patterns of a role that stands alone were left out
	unhurried  bool // it has the time that the daemon gives a statement
}

// afterTimeout does what helps a pass of which a statement took too long, and reports whether it is worth another try. Otherwise it is to be split.
func (e *Engine) afterTimeout(ctx context.Context, w *work, roles []string) (retry bool, err error) {
	alone := len(roles) == 1
	if !alone {
		if w.slow.measured {
			return false, nil
		}
		w.slow.measured = true
		left, err := e.measurePatterns(ctx, roles, false, 0)
		return left > 0, err
	}
	for w.slow.allowances < len(patternAllowances) {
		allowance := patternAllowances[w.slow.allowances]
		w.slow.allowances++
		left, err := e.measurePatterns(ctx, roles, true, allowance)
		// A timeout without a costly pattern may have had another cause, such as a busy server or a cancelled statement: quick patterns are left out
		// only when it comes again.
		if err != nil || left > 0 || w.slow.allowances == 1 {
			return true, err
		}
	}
	if !w.slow.unhurried {
		w.slow.unhurried = true
		return true, nil
	}
	return false, nil
}

// measurePatterns leaves out those patterns of these roles that take too long, and returns how many. For a role alone, it also leaves out the longest of
// the others until the rest fits into the allowance, and those that it does not come to: they are measured again another time.
func (e *Engine) measurePatterns(ctx context.Context, roles []string, alone bool, allowance time.Duration) (int, error) {
	list, err := inspect.Patterns(ctx, e.conn, roles)
	if err != nil {
		return 0, err
	}
	slices.SortFunc(list, func(a, b inspect.Pattern) int {
		return cmp.Or(cmp.Compare(len(a.ObjectName), len(b.ObjectName)), cmp.Compare(a.ObjectName, b.ObjectName), cmp.Compare(a.ObjectType, b.ObjectType), cmp.Compare(a.SchemaName, b.SchemaName))
	})
	var costly []inspect.Pattern
	took := map[inspect.Pattern]time.Duration{}
	var rest time.Duration
	started := time.Now()
	for i, p := range list {
		if time.Since(started) > measuringTime {
			if alone {
				costly = append(costly, list[i:]...)
			}
			break
		}
		cost, tooLong, err := inspect.MeasurePattern(ctx, e.conn, p)
		switch {
		case err != nil:
			return 0, err
		case tooLong:
			costly = append(costly, p)
		default:
			took[p] = cost
			rest += cost
		}
	}
	if alone {
		costly = append(costly, longest(took, rest-allowance)...)
	}
	return len(costly), e.leaveOut(ctx, costly)
}

// longest returns the patterns that took longest, until they took so much together.
func longest(took map[inspect.Pattern]time.Duration, excess time.Duration) (list []inspect.Pattern) {
	for p := range took {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b inspect.Pattern) int {
		return cmp.Or(cmp.Compare(took[b], took[a]), cmp.Compare(a.ObjectName, b.ObjectName))
	})
	n := 0
	for n < len(list) && excess > 0 {
		excess -= took[list[n]]
		n++
	}
	return list[:n]
}

// leaveOut records patterns that take too long, and says so in the log.
func (e *Engine) leaveOut(ctx context.Context, list []inspect.Pattern) error {
	if len(list) == 0 {
		return nil
	}
	var types, schemas, schemaMatches, patterns, matches []string
	for _, p := range list {
		types, schemas, schemaMatches = append(types, p.ObjectType), append(schemas, p.SchemaName), append(schemaMatches, p.SchemaMatch)
		patterns, matches = append(patterns, p.ObjectName), append(matches, p.NameMatch)
	}
	if err := audit.WriteCostlyPatterns(ctx, e.conn, types, schemas, schemaMatches, patterns, matches); err != nil {
		return err
	}
	for _, p := range list {
		e.log.Warn().Str("object_type", p.ObjectType).Str("schema_name", p.SchemaName).Str("name_match", p.NameMatch).Str("pattern", p.ObjectName).
			Msg("comparing this pattern with all names takes too long; the rows that have it are left out")
	}
	return nil
}

// remeasurePatterns finds out whether patterns that took too long still do, and forgets those that no row has.
func (e *Engine) remeasurePatterns(ctx context.Context) error {
	list, err := inspect.CostlyPatterns(ctx, e.conn, remeasureAfter)
	if err != nil {
		return err
	}
	started := time.Now()
	for _, p := range list {
		if time.Since(started) > remeasuringTime {
			break
		}
		took, tooLong, err := inspect.MeasurePattern(ctx, e.conn, p)
		if err != nil {
			return err
		}
		costly := tooLong || took > plan.PatternTimeout/4
		if err := audit.WriteMeasured(ctx, e.conn, p.ObjectType, p.SchemaName, p.ObjectName, p.NameMatch, costly); err != nil {
			return err
		}
	}
	return nil
}
