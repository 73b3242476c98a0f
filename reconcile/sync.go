package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog/failure"
	"github.com/pg-sync-roles/pg-sync-roles/desired"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/adopt"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/inspect"
)

// Sync inspects these roles, or all that are managed or pending, and does what there is to do. With prune, intermediate roles that
// hold nothing go at once.
func (e *Engine) Sync(ctx context.Context, roles []string, prune bool) (*Report, error) {
	if len(roles) > 0 {
		report := &Report{}
		for chunk := range slices.Chunk(roles, batchSize) {
			if err := e.syncRoles(ctx, work{cause: audit.Manual, roles: chunk, renamed: true, members: true, prune: prune}, report); err != nil {
				return report, err
			}
		}
		return report, nil
	}
	report, err := e.ServeExpired(ctx)
	if err != nil {
		return report, err
	}
	if err := e.mergePending(ctx, report); err != nil {
		return report, err
	}
	managed, err := desired.Managed(ctx, e.conn)
	if err != nil {
		return report, err
	}
	if _, err := e.observeAccess(ctx, audit.Manual); err != nil {
		return report, err
	}
	e.rejections.begin()
	if _, err = e.scan(ctx, managed, work{cause: audit.Manual, prune: prune}, report); err != nil {
		return report, err
	}
	if err := e.mergePending(ctx, report); err != nil || !prune { // former owners
		return report, err
	}
	useless, err := e.useless(ctx, e.conn, nil, true)
	if err != nil {
		return report, err
	}
	for chunk := range slices.Chunk(useless, batchSize) {
		if err := e.reconcileBatch(ctx, work{cause: audit.Manual, roles: chunk, prune: true}, report); err != nil {
			return report, err
		}
	}
	return report, nil
}

// mergePending serves the queue into a report.
func (e *Engine) mergePending(ctx context.Context, report *Report) error {
	pending, err := e.ServeQueue(ctx, audit.Manual)
	report.merge(pending)
	return err
}

// syncRoles does a pass over roles that were asked for, if it would do anything. What cannot be seen without the lock is seen by the pass.
func (e *Engine) syncRoles(ctx context.Context, w work, report *Report) error {
	w.insistent = true
	idle, err := e.idle(ctx, &w)
	switch {
	case err == nil && idle:
		report.Roles += len(w.roles)
		return nil
	case err != nil && (failure.SQLState(err) == "" || ctx.Err() != nil || failure.Of(err) == failure.Disconnected):
		return err
	}
	return e.reconcileBatch(ctx, w, report)
}

// idle reports whether a pass over these roles, which were asked for, would change and tell nothing.
func (e *Engine) idle(ctx context.Context, w *work) (bool, error) {
	tx, err := e.conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return false, fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	history, err := inspect.ReadHistory(ctx, tx, w.roles, nil)
	if err != nil {
		return false, err
	}
	if history.Place != e.place {
		return false, nil // the pass says so
	}
	roles := append(slices.Clone(w.roles), history.Intermediates...)
	if requested, err := inspect.Requested(ctx, tx, roles); err != nil || requested {
		return false, err
	}
	if w.prune {
		useless, err := e.useless(ctx, tx, history.Intermediates, true)
		if err != nil || len(useless) > 0 {
			return false, err
		}
	}
	found, err := e.precheckIn(ctx, tx, roles, *w)
	w.undeclared = found.undeclared
	return len(found.due)+len(found.ending) == 0, err
}

// CheckManaged returns an error if one of the roles is not managed, and has nothing left to be revoked.
func (e *Engine) CheckManaged(ctx context.Context, roles []string) error {
	if len(roles) == 0 {
		return nil
	}
	managed, err := desired.Managed(ctx, e.conn)
	if err != nil {
		return err
	}
	var unknown []string
	for _, r := range roles {
		if !slices.Contains(managed, r) {
			unknown = append(unknown, fmt.Sprintf("%q", r))
		}
	}
	if len(unknown) > 0 {
		return fmt.Errorf("not managed: %s; a role is managed when it has a row in sync_roles.desired_grants or sync_roles.desired_roles", strings.Join(unknown, ", "))
	}
	return nil
}

// Approve lets what is held now be revoked from these roles, or from all, once. It returns how many roles that are.
func (e *Engine) Approve(ctx context.Context, roles []string) (int, error) {
	return audit.Approve(ctx, e.conn, roles)
}

// Statuses returns the status of these roles, or of all managed roles.
func (e *Engine) Statuses(ctx context.Context, roles []string) ([]audit.Status, error) {
	return audit.Statuses(ctx, e.conn, roles)
}

// StorePolicy writes down the daemon's options for the commands that obey them too.
func (e *Engine) StorePolicy(ctx context.Context, policy audit.StoredPolicy) error {
	return audit.WritePolicy(ctx, e.conn, policy, e.instance)
}

// StoredPolicy reads the daemon's options; it is empty where no daemon has run yet.
func (e *Engine) StoredPolicy(ctx context.Context) (audit.StoredPolicy, error) {
	return audit.ReadPolicy(ctx, e.conn)
}

// Retain deletes rows of audit and rescans that are older than keep, except the last audit row of each managed or intermediate role. It reports whether there may be
// more.
func (e *Engine) Retain(ctx context.Context, keep time.Duration) (more bool, err error) {
	more, err = e.writer().Retain(ctx, e.conn, keep, e.instance)
	return more, e.passing(ctx, err)
}

// Adopt writes rows for the attributes and privileges that these roles have now, or all that may be managed: see adopt.Run.
func (e *Engine) Adopt(ctx context.Context, roles []string, patterns bool) (*adopt.Adoption, error) {
	tx, err := e.beginLocked(ctx, e.lockTimeout, e.statementTimeout)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	adoption, err := adopt.Run(ctx, tx, e.server, e.policy, roles, patterns)
	if err != nil {
		return nil, err
	}
	if err := tx.Commit(ctx); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	return adoption, nil
}
