package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/desired"
)

// DryRun does what Sync would do, in one transaction that it rolls back, and reports it. Statements given first are run in that
// transaction before: what would this change do? They cannot end the transaction.
//
// It does the real thing because half of a plan depends on the other half: what a new owner holds, what a new role lacks.
func (e *Engine) DryRun(ctx context.Context, roles []string, first string) (*Report, error) {
	report := &Report{}
	tx, err := e.beginLocked(ctx, e.lockTimeout)
	if err != nil {
		return report, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if first != "" {
		if err := runFirst(ctx, tx, first); err != nil {
			return report, err
		}
	}
	if _, err := desired.Expire(ctx, tx, 1<<30, nil); err != nil {
		return report, err
	}
	var foreign []string
	if len(roles) == 0 {
		if roles, err = desired.Managed(ctx, tx); err != nil {
			return report, err
		}
		intermediates, err := names(ctx, tx, intermediatesSQL)
		if err != nil {
			return report, fmt.Errorf("read intermediate roles: %w", err)
		}
		roles = append(roles, intermediates...)
		if foreign, err = names(ctx, tx, foreignSQL); err != nil {
			return report, fmt.Errorf("look for intermediate roles of other databases: %w", err)
		}
	}
	for _, list := range [][]string{roles, foreign} { // one after the other, as in earnest
		for chunk := range slices.Chunk(list, batchSize) {
			if err := e.rehearse(ctx, tx, chunk, false, report); err != nil {
				return report, err
			}
		}
	}
	return report, nil
}

// rehearse does one batch of a dry run. As in earnest, a batch that fails is split until the role that cannot be served stands alone, and then
// what PostgreSQL refuses to it is left out.
func (e *Engine) rehearse(ctx context.Context, tx pgx.Tx, roles []string, tolerant bool, report *Report) error {
	p := &Pass{roles: slices.Clone(roles)}
	err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
		w := work{cause: Manual, roles: roles, renamed: true, members: true, dry: true, patient: tolerant, tolerant: tolerant}
		requests, err := take(ctx, tx, w)
		if err != nil {
			return err
		}
		return e.reconcile(ctx, tx, w, p, requests, time.Now())
	})
	switch {
	case err == nil:
		report.add(p)
		return nil
	case ctx.Err() != nil || SQLState(err) == "":
		return err
	case len(roles) == 1 && !tolerant:
		return e.rehearse(ctx, tx, roles, true, report)
	case len(roles) == 1:
		report.Rows = append(report.Rows, AuditRow{
			Role: roles[0], Cause: Manual, Outcome: Failed, SQLState: SQLState(err), Error: err.Error(),
			Problems: []Problem{{Kind: Failed, Object: "role " + roles[0], Reason: err.Error()}},
		})
		return nil
	}
	half := len(roles) / 2
	return errors.Join(e.rehearse(ctx, tx, roles[:half], false, report), e.rehearse(ctx, tx, roles[half:], false, report))
}

// runFirst runs the user's statements inside a function, where PostgreSQL itself refuses COMMIT and its like.
func runFirst(ctx context.Context, tx pgx.Tx, sql string) error {
	if _, err := tx.Exec(ctx, "select set_config('sync_roles.first', $1, true)", sql); err != nil {
		return fmt.Errorf("pass on the statements of --with-sql: %w", err)
	}
	_, err := tx.Exec(ctx, "do $$ begin execute current_setting('sync_roles.first'); end $$")
	if SQLState(err) == "0A000" {
		return fmt.Errorf("the statements of --with-sql cannot control the transaction, which plan rolls back: %w", err)
	}
	if err != nil {
		return fmt.Errorf("run the statements of --with-sql: %w", err)
	}
	return nil
}
