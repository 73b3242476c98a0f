package reconcile

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// All databases of a cluster wait for one lock. A database in which nothing is to be done leaves it to the others: what tells that nothing is to be done
// takes no lock, needs no transaction ID and writes nothing.

// queued is what the queue has.
type queued struct{ roles, everybody bool }

// queued looks at the queue.
func (e *Engine) queued(ctx context.Context) (q queued, err error) {
	err = e.conn.QueryRow(ctx, `
		select
			exists (select from sync_roles.pending where role_name is not null),
			exists (select from sync_roles.pending where role_name is null)`).Scan(&q.roles, &q.everybody)
	if err != nil {
		return q, fmt.Errorf("look at the queue: %w", err)
	}
	return q, nil
}

var askedForSQL = query("asked_for")

// idle reports whether a pass over these roles, which somebody asks for, would change and say nothing.
func (e *Engine) idle(ctx context.Context, w work) (bool, error) {
	tx, err := e.conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return false, fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	before, err := readBefore(ctx, tx, w.roles, nil)
	if err != nil {
		return false, err
	}
	if before.place != e.place {
		return false, nil // the pass says so
	}
	roles := append(slices.Clone(w.roles), before.involved...)
	var asked bool
	if err := tx.QueryRow(ctx, askedForSQL, roles).Scan(&asked); err != nil || asked {
		return false, err
	}
	if w.prune {
		useless, err := e.useless(ctx, tx, before.involved, true)
		if err != nil || len(useless) > 0 {
			return false, err
		}
	}
	seen, err := e.glanceIn(ctx, tx, roles, w)
	return len(seen.due) == 0, err
}

// serveAsked does a pass over roles that somebody asks for, if it would do anything. What cannot be seen without the lock is seen by the pass.
func (e *Engine) serveAsked(ctx context.Context, w work, report *Report) error {
	w.insistent = true
	idle, err := e.idle(ctx, w)
	switch {
	case err == nil && idle:
		report.Roles += len(w.roles)
		return nil
	case err != nil && (SQLState(err) == "" || ctx.Err() != nil || classOf(err) == disconnected):
		return err
	}
	return e.serve(ctx, w, report)
}

// useless lists those of these intermediate roles (nil: of all) that a pass drops, or notes that they hold nothing, or do again.
func (e *Engine) useless(ctx context.Context, q catalog.Querier, among []string, now bool) ([]string, error) {
	list, err := collect[unused](ctx, q, unusedSQL, among, e.policy.PruneEmptyAfterSecs)
	if err != nil {
		return nil, fmt.Errorf("look for intermediate roles without use: %w", err)
	}
	var roles []string
	for _, u := range list {
		if !u.Used || u.Overdue || u.Holds == u.Marked || now && !u.Holds {
			roles = append(roles, u.Name)
		}
	}
	return roles, nil
}
