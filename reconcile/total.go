package reconcile

import (
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// estimateFor is how long a total may stand for what roles hold now. To count it anew takes as long as to look at all rows, and where many revokes follow one
// another each pass would.
const estimateFor = 30 * time.Second

// total is what all roles held through rows when a pass counted it last.
type total struct {
	privileges int64
	at         time.Time // zero: it was never counted
}

// estimate is a total that is so recent that all that was revoked since counts against the limit with what is revoked now; nil: none is.
func (t total) estimate(window time.Duration) *int64 {
	if t.at.IsZero() || time.Since(t.at) >= min(window, estimateFor) {
		return nil
	}
	return &t.privileges
}

// learn notes what a pass has counted. What a person approved does not count against the limit, so the total is not what it was.
func (t *total) learn(f plan.LimitFacts, v plan.Verdicts) {
	switch {
	case len(v.ApprovedBy) > 0:
		*t = total{}
	case f.Total != nil:
		*t = total{*f.Total, time.Now()}
	}
}
