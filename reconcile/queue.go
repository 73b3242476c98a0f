package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/desired"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/apply"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// All databases of a cluster wait for one lock. A database in which nothing is to be done leaves it to the others: what tells that nothing is to be done
// takes no lock, needs no transaction ID and writes nothing.

const (
	allHaveNotifiedSQL = "select sync_roles.all_have_notified()"
	queuedSQL          = `
		select
			(select count(*) from (select from sync_roles.pending where role_name is not null limit 2) as p),
			exists (select from sync_roles.pending where role_name is null)`
)

// ServeQueue serves the queue until it is empty.
func (e *Engine) ServeQueue(ctx context.Context, cause audit.Cause) (*Report, error) {
	report := &Report{}
	for {
		var requests int
		var all, notified bool
		look := &pgx.Batch{} // one transaction, whose second statement sees all rows committed before the first
		catalog.QueueValue(look, allHaveNotifiedSQL, &notified)
		look.Queue(queuedSQL).QueryRow(func(row pgx.Row) error { return row.Scan(&requests, &all) })
		if err := e.conn.SendBatch(ctx, look).Close(); err != nil {
			return report, e.outside(ctx, cause, fmt.Errorf("read the queue: %w", err), report)
		}
		report.MoreToCome = !notified
		if requests > 1 {
			e.portion.lookForOthers(ctx, e.conn)
		}
		if requests > 0 {
			before := report.Roles
			if err := e.reconcileBatch(ctx, work{cause: cause}, report); err != nil {
				return report, e.passing(ctx, err)
			}
			if report.Roles > before {
				continue
			}
			report.MoreToCome = true // another pass has taken what this look saw; since then, writers may have left out to notify
		}
		if !all {
			return report, nil
		}
		if expanded, err := e.expand(ctx); err != nil || !expanded {
			report.MoreToCome = true // as above
			return report, e.outside(ctx, cause, err, report)
		}
	}
}

// expand turns requests for every role into requests for each.
func (e *Engine) expand(ctx context.Context) (expanded bool, err error) {
	err = pgx.BeginFunc(ctx, e.conn, func(tx pgx.Tx) (err error) {
		expanded, err = desired.Expand(ctx, tx)
		return err
	})
	return expanded, err
}

// ServeRetries serves the roles whose next try is due. The more often they failed, the longer a lock is waited for.
func (e *Engine) ServeRetries(ctx context.Context) (*Report, error) {
	report := &Report{}
	type retry struct {
		RoleName string
		Attempt  int
	}
	due, err := catalog.Collect[retry](ctx, e.conn, "select role_name, attempt from sync_roles.retries where next_retry_at <= now() order by attempt, role_name")
	if err != nil {
		return report, e.passing(ctx, fmt.Errorf("read retries: %w", err))
	}
	for chunk := range slices.Chunk(due, batchSize) {
		roles := make([]string, len(chunk))
		for i, r := range chunk {
			roles[i] = r.RoleName
		}
		wait := min(apply.ShortLockWait<<min(chunk[0].Attempt, 10), e.lockTimeout)
		if err := e.reconcileBatch(ctx, work{cause: audit.Retry, roles: roles, lockWait: wait}, report); err != nil {
			return report, e.passing(ctx, err)
		}
	}
	return report, nil
}

// ServeExpired closes reviews whose deadline has passed, and ends desired grants that have expired: their rows are deleted in the same transaction that revokes what they gave. Where another session has
// locked a row, what it gave is revoked all the same.
func (e *Engine) ServeExpired(ctx context.Context) (*Report, error) {
	report := &Report{}
	for {
		grants, reviews, err := desired.Due(ctx, e.conn)
		if err == nil && reviews {
			grants, err = true, desired.CloseReviews(ctx, e.conn)
		}
		if err != nil {
			return report, e.outside(ctx, audit.Expiry, err, report)
		}
		e.tablesMissed = false
		if !grants {
			return report, nil
		}
		before := report.Roles
		if err := e.reconcileBatch(ctx, work{cause: audit.Expiry}, report); err != nil {
			return report, e.passing(ctx, err)
		}
		if report.Roles == before {
			return report, nil
		}
	}
}

const nextDueSQL = `
	select least(
		(select min(next_retry_at) from sync_roles.retries),
		(select min(sync_roles.review_due(r.deadline, r.tried_at)) from sync_roles.reviews as r where r.closed_at is null and isfinite(r.deadline)),
		(
			select min(g.expires_at) from sync_roles.desired_grants as g
			where g.expires_at is not null and isfinite(g.expires_at)
				and not exists (select from sync_roles.retries as t where t.role_name = g.role_name)
		)
	)`

// NextDue returns when something is to be done without a request: a retry, a grant that expires, or a review's deadline. ok is false if nothing is.
func (e *Engine) NextDue(ctx context.Context) (at time.Time, ok bool, err error) {
	var next *time.Time
	if err := e.conn.QueryRow(ctx, nextDueSQL).Scan(&next); err != nil {
		return at, false, e.outside(ctx, audit.Expiry, fmt.Errorf("read what is due next: %w", err), &Report{})
	}
	if next == nil {
		return at, false, nil
	}
	return *next, true, nil
}

// keptInSilence is how often a row is found locked before that is a problem: a transaction of a writer may be under way.
const keptInSilence = 2

// keptRetry is after how long at most it is tried again to delete a row that was locked.
const keptRetry = 5 * time.Second

// reportKept makes problems of rows that have expired and stay locked.
func (b *batch) reportKept(kept []desired.Kept) {
	for _, k := range kept {
		if b.roles()[k.Role].FailedAttempts < keptInSilence {
			continue
		}
		holder := k.Holder
		if holder == "" {
			holder = "another session"
		}
		b.problems.Add(k.Role, plan.Problem{
			Kind: plan.Failed, Code: plan.RowLocked, GrantID: k.ID, Role: k.Role, Object: "role " + k.Role,
			Reason: fmt.Sprintf("desired grant %d has expired and gives nothing any more; its row cannot be deleted yet, because %s holds a lock on it", k.ID, holder),
		})
	}
}

// retryKept records when it is tried again to delete rows that were locked.
func (b *batch) retryKept(records *pgx.Batch, kept []desired.Kept) {
	last := ""
	for _, k := range kept {
		if k.Role == last {
			continue
		}
		last = k.Role
		attempt := b.roles()[k.Role].FailedAttempts + 1
		audit.RecordRetry(records, k.Role, attempt, min(audit.Backoff(attempt, false), keptRetry))
	}
}
