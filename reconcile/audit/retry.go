package audit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

const retrySQL = `
	insert into sync_roles.retries (role_name, attempt, next_retry_at) values ($1, $2, now() + $3)
	on conflict (role_name) do update set attempt = excluded.attempt, next_retry_at = excluded.next_retry_at`

// RecordRetries records when roles are tried again of which something failed, and forgets the failures of those that got through.
func RecordRetries(records *pgx.Batch, roles map[string]plan.Role, problems plan.Problems) {
	for _, name := range sortedNames(roles) {
		attempt := roles[name].FailedAttempts
		switch {
		case slices.ContainsFunc(problems[name], func(p plan.Problem) bool { return p.Kind == plan.Failed }):
			RecordRetry(records, name, attempt+1, Backoff(attempt+1, false))
		case attempt > 0:
			records.Queue("delete from sync_roles.retries where role_name = $1", name)
		}
	}
}

// RecordRetry records that a role is tried again after that time.
func RecordRetry(records *pgx.Batch, role string, attempt int, after time.Duration) {
	records.Queue(retrySQL, role, attempt, after)
}

// WriteRetry is RecordRetry by itself.
func WriteRetry(ctx context.Context, tx pgx.Tx, role string, attempt int, after time.Duration) error {
	if _, err := tx.Exec(ctx, retrySQL, role, attempt, after); err != nil {
		return fmt.Errorf("record when role %q is tried again: %w", role, err)
	}
	return nil
}

// Backoff is how long to wait before the next try: about 1 s, 2 s, 4 s, …, at most about 5 min. What needs a person's help is tried every 5 min.
func Backoff(attempt int, needsHelp bool) time.Duration {
	d := 5 * time.Minute
	if !needsHelp && attempt < 9 {
		d = time.Second << (attempt - 1)
	}
	return d - d/10 + rand.N(d/5) //nolint:gosec // jitter is no secret
}
