package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/desired"
)

// Expired ends desired grants that have expired: their rows are deleted in the same transaction that takes away what they gave. Where another session has
// locked a row, it is only taken away.
func (e *Engine) Expired(ctx context.Context) (*Report, error) {
	report := &Report{}
	for {
		due, err := desired.Due(ctx, e.conn)
		if err != nil {
			return report, e.outside(ctx, Expiry, err, report)
		}
		e.tablesMissed = false
		if !due {
			return report, nil
		}
		before := report.Roles
		if err := e.serve(ctx, work{cause: Expiry, roles: nil}, report); err != nil {
			return report, e.passing(ctx, err)
		}
		if report.Roles == before {
			return report, nil
		}
	}
}

// keptInSilence is how often a row is found locked before that is a problem: a transaction of a writer may be under way.
const keptInSilence = 2

// keptRetry is after how long at most it is tried again to delete a row that was locked.
const keptRetry = 5 * time.Second

// reportKept makes problems of rows that have expired and stay locked.
func reportKept(kept []desired.Kept, s *state) {
	for _, k := range kept {
		if s.roles[k.Role].FailedAttempts < keptInSilence {
			continue
		}
		holder := k.Holder
		if holder == "" {
			holder = "another session"
		}
		s.problems.add(k.Role, Problem{
			Kind: Failed, GrantID: k.ID, Object: "role " + k.Role,
			Reason: fmt.Sprintf("desired grant %d has expired and gives nothing any more; its row cannot be deleted yet, because %s holds a lock on it", k.ID, holder),
		})
	}
}

// retryKept says when it is tried again to delete rows that were locked.
func retryKept(records *pgx.Batch, kept []desired.Kept, roles map[string]Role) {
	last := ""
	for _, k := range kept {
		if k.Role == last {
			continue
		}
		last = k.Role
		attempt := roles[k.Role].FailedAttempts + 1
		records.Queue(retrySQL, k.Role, attempt, min(backoff(attempt, false), keptRetry))
	}
}
