package reconcile

import (
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// estimateFor is how long a total may stand for what roles hold now. To count it anew takes as long as to look at all rows, and where many revokes follow one
// another each pass would.
const estimateFor = 30 * time.Second

// total is what all roles held through rows when a pass of this engine counted it last.
type total struct {
	privileges int64
	at         time.Time // when that pass began, by the clock on the wall: the other stands still while a virtual machine does; zero: never
}

// estimate is a total that is so recent that what was revoked since counts against the limit with what is revoked now; nil: none is. What other engines have
// let expire, and objects that were dropped, are still in it.
func (t total) estimate(window time.Duration) *int64 {
	if age := time.Since(t.at); t.at.IsZero() || age < 0 || age >= min(window, estimateFor) {
		return nil
	}
	return &t.privileges
}

// learn notes what a pass has counted, and forgets it where the pass revokes what does not count against the limit, as what expires or was approved.
func (t *total) learn(f plan.LimitFacts, counted, revoked int64, began time.Time) {
	switch {
	case revoked > counted:
		*t = total{}
	case f.Total != nil:
		*t = total{*f.Total, began.Round(0)}
	}
}
