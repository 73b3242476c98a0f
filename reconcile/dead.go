package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// DROP DATABASE takes the registry along, and leaves the database's intermediate roles and keepers to the cluster. Any other database can drop them:
// their names tell the OID of a database that is no more, and they hold nothing.

var deadSQL = query("dead")

// deadRole is an intermediate role or a keeper of a database that is no more.
type deadRole struct {
	OID  catalog.OID
	Name string
}

func readDead(ctx context.Context, q catalog.Querier) ([]deadRole, error) {
	list, err := collect[deadRole](ctx, q, deadSQL)
	if err != nil {
		return nil, fmt.Errorf("look for intermediate roles of databases that are no more: %w", err)
	}
	return list, nil
}

// overdueDead remembers since when roles are dead, and returns those that are for longer than one that holds nothing is kept: where a cluster is being
// restored, its roles come before its databases.
func (e *Engine) overdueDead(list []deadRole, now time.Time) []deadRole {
	since := map[catalog.OID]time.Time{}
	var overdue []deadRole
	for _, r := range list {
		since[r.OID] = now
		if before, ok := e.deadSince[r.OID]; ok {
			since[r.OID] = before
		}
		if !since[r.OID].Add(time.Duration(e.policy.PruneEmptyAfterSecs) * time.Second).After(now) {
			overdue = append(overdue, r)
		}
	}
	e.deadSince = since
	return overdue
}

// dropDead drops the roles that databases left which are no more; with prune at once. Others wait for the lock, and this can wait for another time.
func (e *Engine) dropDead(ctx context.Context, w work, report *Report) error {
	list, err := readDead(ctx, e.conn)
	if err != nil {
		return err
	}
	if !w.prune {
		list = e.overdueDead(list, time.Now())
	}
	for chunk := range slices.Chunk(list, batchSize) {
		started := time.Now()
		p, err := e.dropDeadIn(ctx, w, chunk)
		switch {
		case err == nil:
			if len(p.Rows) > 0 {
				e.observed(w, p, started, nil)
				e.logPass(w, p)
				report.add(p)
			}
		case ctx.Err() != nil, e.conn.IsClosed(), classOf(err) == disconnected, w.cause == Manual:
			return err
		case errors.As(err, new(*lockError)), SQLState(err) != "":
			e.log.Debug().Err(err).Msg("cannot drop roles of databases that are no more; trying again at the next rescan")
			return nil
		default:
			return err
		}
	}
	return nil
}

// dropDeadIn is one transaction of dropDead. Whether these roles are dead is asked again once nobody else creates any.
func (e *Engine) dropDeadIn(ctx context.Context, w work, roles []deadRole) (*Pass, error) {
	started := time.Now()
	p := &Pass{}
	tx, err := e.beginLocked(ctx, min(shortWait, e.lockTimeout), e.statementTimeout)
	if err != nil {
		return p, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	p.id, p.lockWait = tx.id, tx.waited
	still, err := readDead(ctx, tx)
	if err != nil {
		return p, err
	}
	still = slices.DeleteFunc(still, func(r deadRole) bool { return !slices.Contains(roles, r) })
	known, err := readRoles(ctx, tx, namesOf(still))
	if err != nil {
		return p, err
	}
	for _, r := range still {
		row := AuditRow{Role: r.Name, Cause: w.cause, Outcome: Applied, Statements: []string{}, Problems: []Problem{}, RequestedBy: []string{}, Attempt: 1, Instance: e.instance}
		sql := "DROP ROLE " + catalog.Quote(r.Name)
		err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, sql)
			return err
		})
		switch {
		case err == nil:
			row.Statements = []string{sql}
			p.Statements = append(p.Statements, sql)
		case isRefusal(err):
			row.Outcome = Blocked
			row.Problems = []Problem{{Kind: Blocked, Object: "role " + r.Name, Reason: "its database is no more, and it cannot be dropped: " + err.Error()}}
			if !endsOtherwise(known[r.Name], row.Outcome, row.Problems) {
				continue // said before
			}
		default:
			return p, fmt.Errorf("drop role %q of a database that is no more: %w", r.Name, err)
		}
		row.Duration = time.Since(started)
		p.Rows = append(p.Rows, row)
	}
	if len(p.Rows) == 0 {
		return p, nil
	}
	if p.head, err = e.audit(ctx, tx, &pgx.Batch{}, p.Rows, w.dry); err != nil {
		return p, fmt.Errorf("write the audit: %w", err)
	}
	if err := tx.Commit(ctx); err != nil {
		return p, fmt.Errorf("commit: %w", err)
	}
	e.written(p.head, len(p.Rows))
	return p, nil
}

func namesOf(list []deadRole) []string {
	result := make([]string, len(list))
	for i, r := range list {
		result[i] = r.Name
	}
	return result
}
