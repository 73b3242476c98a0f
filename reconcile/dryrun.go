package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/desired"
)

// DryRun does what Sync would do, in transactions that it rolls back, and reports it. Statements given first are run in each of these transactions before:
// what would this change do? They cannot end the transaction.
//
// It does the real thing because half of a plan depends on the other half: what a new owner holds, what a new role lacks. As in earnest, it looks without
// the lock first, and then takes it for one batch at a time of the roles that differ.
func (e *Engine) DryRun(ctx context.Context, roles []string, first string) (*Report, error) {
	report := &Report{}
	due, err := e.foresee(ctx, roles, first, report)
	if err != nil {
		return report, err
	}
	d := &dryRun{engine: e, first: first, report: report, shown: newShown()}
	for chunk := range slices.Chunk(due, batchSize) {
		if err := d.rehearse(ctx, chunk, work{}); err != nil {
			return report, err
		}
	}
	return report, nil
}

// foresee looks at roles, or at all, without the lock. It returns those that there is something to do for, and reports the problems of the others.
func (e *Engine) foresee(ctx context.Context, roles []string, first string, report *Report) (due []string, err error) {
	tx, err := e.conn.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := e.runFirst(ctx, tx, first); err != nil {
		return nil, err
	}
	var idle, foreign []string
	if len(roles) == 0 {
		var intermediates []string
		if roles, err = desired.Managed(ctx, tx); err != nil {
			return nil, err
		}
		if intermediates, err = names(ctx, tx, intermediatesSQL); err != nil {
			return nil, fmt.Errorf("read intermediate roles: %w", err)
		}
		if foreign, err = names(ctx, tx, foreignSQL); err != nil {
			return nil, fmt.Errorf("look for intermediate roles of other databases: %w", err)
		}
		roles = slices.Concat(roles, intermediates, foreign)
		if idle, err = e.useless(ctx, tx, nil, false); err != nil {
			return nil, err
		}
	}
	expired, err := names(ctx, tx, "select distinct role_name from sync_roles.desired_grants where expires_at <= now() and role_name = any ($1)", roles)
	if err != nil {
		return nil, fmt.Errorf("look for expired grants: %w", err)
	}
	set, said := asSet(append(expired, idle...)), map[string]bool{}
	w := work{cause: Manual, renamed: true, members: true, dry: true}
	for chunk := range slices.Chunk(roles, batchSize) {
		var seen glance
		err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) (err error) {
			seen, err = e.glanceIn(ctx, tx, chunk, w)
			return err
		})
		if class := classOf(err); class == slow || class == locked || class == again {
			seen, err = glance{due: chunk}, nil // the rehearsal finds out whose fault it is
		}
		if err != nil {
			return nil, err
		}
		maps.Copy(set, asSet(seen.due))
		for _, role := range keys(seen.problems) {
			if !set[role] && !said[role] {
				said[role] = true // members of an intermediate role are looked at with it, and by themselves
				list := seen.problems[role]
				report.Rows = append(report.Rows, AuditRow{Role: role, Cause: Manual, Outcome: outcomeOf(false, list), Statements: []string{}, Problems: list, RequestedBy: []string{}, Instance: e.instance})
			}
		}
	}
	var last []string // by then the roles have by other ways what their rows ask for
	for _, role := range foreign {
		if set[role] {
			last = append(last, role)
			delete(set, role)
		}
	}
	return append(keys(set), last...), nil
}

// dryRun is one in the making.
type dryRun struct {
	engine *Engine
	first  string
	report *Report
	shown  *shown
}

// rehearse does one batch of a dry run. As in earnest, a batch that fails is tried without what PostgreSQL refuses, and then split until the role that
// cannot be served stands alone.
func (d *dryRun) rehearse(ctx context.Context, roles []string, w work) error {
	for attempt := 1; ; attempt++ {
		p, err := d.once(ctx, roles, w)
		switch {
		case err == nil:
			p.Statements = d.shown.filter(p.Statements, p.spans)
			d.report.add(p)
			return nil
		case ctx.Err() != nil || SQLState(err) == "" || classOf(err) == disconnected || errors.As(err, new(*lockError)):
			return err
		case classOf(err) == slow:
			retry, problem := d.engine.afterTimeout(ctx, &w, roles)
			if problem != nil {
				return problem
			}
			if retry {
				continue
			}
		case classOf(err) == again && attempt < maxAttempts:
			w.patient = true
			if err := pause(ctx, attempt); err != nil {
				return err
			}
			continue
		}
		if !w.tolerant && (classOf(err) != slow || len(roles) == 1) {
			w.patient, w.tolerant = true, true
			continue
		}
		if len(roles) == 1 {
			d.report.Rows = append(d.report.Rows, AuditRow{
				Role: roles[0], Cause: Manual, Outcome: Failed, SQLState: SQLState(err), Error: err.Error(),
				Problems: []Problem{{Kind: Failed, Object: "role " + roles[0], Reason: err.Error()}},
			})
			return nil
		}
		half := len(roles) / 2
		if err := d.rehearse(ctx, roles[:half], w); err != nil {
			return err
		}
		return d.rehearse(ctx, roles[half:], w)
	}
}

// once does what a pass does, and rolls it back.
func (d *dryRun) once(ctx context.Context, roles []string, w work) (*Pass, error) {
	w.cause, w.roles, w.renamed, w.members, w.dry = Manual, roles, true, true, true
	p := &Pass{roles: slices.Clone(roles)}
	tx, err := d.engine.beginLocked(ctx, d.engine.lockTimeout, d.engine.readingTime(w))
	if err != nil {
		return p, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := d.engine.runFirst(ctx, tx, d.first); err != nil {
		return p, err
	}
	requests, kept, err := take(ctx, tx, w)
	if err != nil {
		return p, err
	}
	p.kept = kept
	return p, d.engine.reconcile(ctx, tx, w, p, requests, time.Now())
}

// runFirst runs the user's statements inside a function, where PostgreSQL itself refuses COMMIT and its like. They have the time that the daemon gives a
// statement.
func (e *Engine) runFirst(ctx context.Context, tx pgx.Tx, sql string) error {
	if sql == "" {
		return nil
	}
	if _, err := tx.Exec(ctx, "select set_config('sync_roles.first', $1, true), set_config('statement_timeout', $2, true)", sql, milliseconds(e.statementTimeout)); err != nil {
		return fmt.Errorf("pass on the statements of --with-sql: %w", err)
	}
	_, err := tx.Exec(ctx, "do $$ begin execute current_setting('sync_roles.first'); end $$")
	if SQLState(err) == "0A000" {
		return fmt.Errorf("the statements of --with-sql cannot control the transaction, which plan rolls back: %w", err)
	}
	if err != nil {
		return fmt.Errorf("run the statements of --with-sql: %w", err)
	}
	if _, err := tx.Exec(ctx, "set local statement_timeout = "+milliseconds(e.readingTime(work{}))); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	return nil
}
