package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/failure"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/apply"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/inspect"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// DROP DATABASE drops the registry, and leaves the database's intermediate roles and keepers to the cluster. Any other database can drop them:
// their names tell the OID of a dropped database, and they hold nothing.

const (
	deadChunk  = 50              // roles that one transaction drops
	deadLocked = time.Second     // for how long it may, as all databases wait for it
	deadTime   = 5 * time.Second // for all that one rescan drops, as this database waits for it
)

// deadKept is how many times as long as one that holds nothing a role of a dropped database is kept. Where a cluster is being restored, its
// roles come before its databases, and between them may be the time that it takes to restore the others.
const deadKept = 24

// overdueDead remembers when databases were first found dropped, and returns the roles of those for which that is long enough ago.
func (e *Engine) overdueDead(list []inspect.DeadRole, now time.Time) []inspect.DeadRole {
	since := map[string]time.Time{}
	var overdue []inspect.DeadRole
	for _, r := range list {
		since[r.DatabaseOID] = now
		if before, ok := e.deadSince[r.DatabaseOID]; ok {
			since[r.DatabaseOID] = before
		}
		if !since[r.DatabaseOID].Add(deadKept * time.Duration(e.policy.PruneEmptyAfterSecs) * time.Second).After(now) {
			overdue = append(overdue, r)
		}
	}
	e.deadSince = since
	return overdue
}

// dropDead drops the roles of dropped databases. With prune all of them, and at once; a daemon goes on at the next rescan.
func (e *Engine) dropDead(ctx context.Context, w work, report *Report) error {
	until := time.Now().Add(deadTime)
	for {
		var list []inspect.DeadRole
		err := e.briefly(ctx, func(tx pgx.Tx) (err error) {
			list, err = inspect.DeadRoles(ctx, tx, nil)
			return err
		})
		if err != nil {
			return err
		}
		more := w.prune && len(list) == inspect.DeadListed
		if !w.prune {
			list = e.overdueDead(list, time.Now())
		}
		dropped := 0
		var missed error
		for len(list) > 0 && (w.prune || time.Now().Before(until)) {
			p, tried, err := e.dropSomeDead(ctx, w, list[:min(len(list), deadChunk)], report)
			switch {
			case tried == 0 && errors.As(err, new(*lockError)) && !w.prune && !e.lost(ctx, err):
				e.log.Debug().Err(err).Msg("cannot drop roles of dropped databases; trying again at the next rescan")
				return nil
			case tried == 0:
				return err
			}
			missed = errors.Join(missed, err)
			dropped += len(p.Statements)
			list = list[tried:]
		}
		switch {
		case missed != nil && w.prune:
			return missed
		case missed != nil:
			e.log.Debug().Err(missed).Msg("cannot drop some roles of dropped databases; trying again at the next rescan")
		}
		if !more || dropped == 0 {
			return nil
		}
	}
}

// dropSomeDead is dropDeadIn, and tells of it.
func (e *Engine) dropSomeDead(ctx context.Context, w work, roles []inspect.DeadRole, report *Report) (p *Pass, tried int, err error) {
	started := time.Now()
	p, tried, err = e.dropDeadIn(ctx, w, roles)
	if tried > 0 && len(p.Rows) > 0 {
		e.observed(w, p, started, nil)
		e.logPass(w, p)
		report.add(p)
	}
	return p, tried, err
}

// dropDeadIn is one transaction of dropDead. Whether these roles are dead is asked again under the lock. It tries them one after the other
// for as long as it may keep the lock, and reports how many; with none, nothing is done. An error beside some is that of roles which another session was in the
// way of: the others are dropped.
func (e *Engine) dropDeadIn(ctx context.Context, w work, roles []inspect.DeadRole) (p *Pass, tried int, err error) {
	p = &Pass{}
	tx, err := e.beginLocked(ctx, min(apply.ShortLockWait, e.lockTimeout), e.readingTime(w))
	if err != nil {
		return p, 0, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	started := time.Now()
	p.id, p.lockWaited = tx.id, tx.waited
	oids := make([]catalog.OID, len(roles))
	for i, r := range roles {
		oids[i] = r.OID
	}
	still, err := inspect.DeadRoles(ctx, tx, oids)
	if err != nil {
		return p, 0, err
	}
	known, err := inspect.Roles(ctx, tx, namesOf(still))
	if err != nil {
		return p, 0, err
	}
	var missed error
	for i, r := range roles {
		if i > 0 && time.Since(started) > deadLocked {
			break
		}
		tried++
		if !slices.Contains(still, r) {
			continue
		}
		row, err := e.dropOneDead(ctx, tx, w, r)
		switch {
		case err != nil && (failure.SQLState(err) == "" || e.lost(ctx, err)):
			return p, 0, err
		case err != nil:
			missed = errors.Join(missed, err)
			continue
		case row.Outcome == plan.Blocked && (missed != nil || !audit.StatusChanged(known[r.Name], row.Outcome, row.Problems)):
			continue // a keeper of one that is left; or said before
		}
		p.Statements = append(p.Statements, row.Statements...)
		p.Rows = append(p.Rows, row)
	}
	if len(p.Rows) == 0 {
		return p, tried, missed
	}
	if p.head, err = e.writer().Write(ctx, tx, &pgx.Batch{}, p.Rows, w.rehearsal); err != nil {
		return p, 0, fmt.Errorf("write the audit: %w", err)
	}
	if err := tx.Commit(ctx); err != nil {
		return p, 0, fmt.Errorf("commit: %w", err)
	}
	e.wrote(p.head, len(p.Rows))
	return p, tried, missed
}

// dropOneDead drops a role, and makes the row of the audit about it. An error means that another session was in the way, and undoes only this.
func (e *Engine) dropOneDead(ctx context.Context, tx pgx.Tx, w work, r inspect.DeadRole) (audit.Row, error) {
	started := time.Now()
	row := audit.NewRow(r.Name, w.cause, plan.Applied, e.instance)
	sql := "DROP ROLE " + catalog.Quote(r.Name)
	err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, sql)
		return err
	})
	switch {
	case err == nil:
		row.Statements = []string{sql}
	case failure.IsRejection(err) && failure.Of(err) != failure.Locked && failure.Of(err) != failure.Slow:
		row.Outcome = plan.Blocked
		row.Problems = []plan.Problem{{
			Kind: plan.Blocked, Code: plan.RoleNotDropped, Role: r.Name, Object: "role " + r.Name, Reason: "its database was dropped, and the role cannot be: " + err.Error(),
		}}
	default:
		return row, fmt.Errorf("drop role %q of a dropped database: %w", r.Name, err)
	}
	row.Duration = time.Since(started)
	return row, nil
}

func namesOf(list []inspect.DeadRole) []string {
	result := make([]string, len(list))
	for i, r := range list {
		result[i] = r.Name
	}
	return result
}
