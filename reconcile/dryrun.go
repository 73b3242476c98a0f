package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/failure"
	"github.com/pg-sync-roles/pg-sync-roles/desired"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/inspect"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// DryRun does what Sync would do, in transactions that it rolls back, and reports it. Statements given first are run in each of these transactions before:
// what would this change do? They cannot end the transaction.
//
// It does the real thing because half of a plan depends on the other half: what a new owner holds, what a new role lacks. As in earnest, it inspects without
// the lock first, and then takes it for one batch at a time of the roles that differ.
func (e *Engine) DryRun(ctx context.Context, roles []string, first string) (*Report, error) {
	return e.dryRunAfter(ctx, roles, func(ctx context.Context, tx pgx.Tx) error { return e.runFirst(ctx, tx, first) })
}

// dryRunAfter is DryRun with something else to be done first.
func (e *Engine) dryRunAfter(ctx context.Context, roles []string, first func(context.Context, pgx.Tx) error) (*Report, error) {
	d := &dryRun{engine: e, first: first, report: &Report{}, printed: newPrinted()}
	due, err := d.precheck(ctx, roles)
	if err != nil {
		return d.report, err
	}
	l := ladder{engine: e, pass: d.pass, done: d.done, record: d.record}
	portions, err := e.portions(ctx, due)
	if err != nil {
		return d.report, err
	}
	for _, chunk := range portions {
		if err := l.climb(ctx, work{cause: audit.Manual, roles: chunk, renamed: true, members: true, rehearsal: true, lockWait: e.lockTimeout}); err != nil {
			return d.report, err
		}
	}
	return d.report, nil
}

// dryRun is one in the making.
type dryRun struct {
	engine  *Engine
	first   func(context.Context, pgx.Tx) error
	report  *Report
	printed *printed
}

const expiredSQL = "select distinct role_name from sync_roles.desired_grants where expires_at <= now() and role_name = any ($1)"

// precheck inspects roles, or all, without the lock. It returns those for which there is something to do, and reports the problems of the others.
func (d *dryRun) precheck(ctx context.Context, roles []string) (due []string, err error) {
	tx, err := d.engine.conn.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := d.first(ctx, tx); err != nil {
		return nil, err
	}
	var useless, foreign []string
	if len(roles) == 0 {
		if roles, useless, foreign, err = d.all(ctx, tx); err != nil {
			return nil, err
		}
	}
	expired, err := catalog.Column[string](ctx, tx, expiredSQL, roles)
	if err != nil {
		return nil, fmt.Errorf("look for expired grants: %w", err)
	}
	set := asSet(append(expired, useless...))
	told := map[string]bool{}
	err = d.engine.inspectInParts(roles, func(part []string) (precheck, error) {
		return d.precheckPart(ctx, tx, part)
	}, func(_ []string, found precheck) error {
		d.note(found, set, told)
		return nil
	})
	if err != nil {
		return nil, err
	}
	var last []string // by then the roles have by other ways what their rows ask for
	for _, role := range foreign {
		if set[role] {
			last = append(last, role)
			delete(set, role)
		}
	}
	return append(slices.Sorted(maps.Keys(set)), last...), nil
}

// all lists all roles to be inspected; those among them that are of no use; and those that are named like other databases' intermediate roles.
func (d *dryRun) all(ctx context.Context, tx pgx.Tx) (roles, useless, foreign []string, err error) {
	if roles, err = desired.Managed(ctx, tx); err != nil {
		return nil, nil, nil, err
	}
	intermediates, err := inspect.Intermediates(ctx, tx)
	if err != nil {
		return nil, nil, nil, err
	}
	if foreign, err = inspect.ForeignRoles(ctx, tx); err != nil {
		return nil, nil, nil, err
	}
	useless, err = d.engine.useless(ctx, tx, nil, false)
	return slices.Concat(roles, intermediates, foreign), useless, foreign, err
}

// precheckPart inspects roles. Where it meets what others do just now, the rehearsal finds out the reason.
func (d *dryRun) precheckPart(ctx context.Context, tx pgx.Tx, roles []string) (found precheck, err error) {
	w := work{cause: audit.Manual, renamed: true, members: true, rehearsal: true}
	err = pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) (err error) {
		found, err = d.engine.precheckIn(ctx, tx, roles, w)
		return err
	})
	if failure.Of(err) == failure.Again {
		return precheck{due: roles}, nil
	}
	return found, err
}

// note adds the roles that are due to the set, and tells the problems of the others, once: members of an intermediate role are inspected with it, and by
// themselves.
func (d *dryRun) note(found precheck, due, told map[string]bool) {
	maps.Copy(due, asSet(found.due))
	for _, role := range slices.Sorted(maps.Keys(found.problems)) {
		if due[role] || told[role] {
			continue
		}
		told[role] = true
		row := audit.NewRow(role, audit.Manual, plan.WorstOf(false, found.problems[role]), d.engine.instance)
		row.Problems = found.problems[role]
		d.report.Rows = append(d.report.Rows, row)
	}
}

// pass does what a pass does, and rolls it back.
func (d *dryRun) pass(ctx context.Context, w work) (*Pass, error) {
	p := &Pass{roles: slices.Clone(w.roles)}
	tx, err := d.engine.beginLocked(ctx, w.lockWait, d.engine.readingTime(w))
	if err != nil {
		return p, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := d.first(ctx, tx); err != nil {
		return p, err
	}
	requests, kept, err := take(ctx, tx, w, d.engine.portion.limits().rows)
	if err != nil {
		return p, err
	}
	p.kept = kept
	return p, d.engine.reconcile(ctx, tx, w, p, requests, time.Now())
}

// done reports what a pass would do.
func (d *dryRun) done(_ work, p *Pass) {
	p.Statements = d.printed.filter(p.Statements, p.spans)
	d.report.add(p)
}

// record reports that the pass over a role would fail.
func (d *dryRun) record(_ context.Context, _ work, role string, err error) error {
	row := audit.NewRow(role, audit.Manual, plan.Failed, d.engine.instance)
	row.SQLState, row.Error = failure.SQLState(err), err.Error()
	row.Problems = []plan.Problem{{Kind: plan.Failed, Code: plan.RoleFailed, Role: role, Object: "role " + role, Reason: err.Error()}}
	d.report.Rows = append(d.report.Rows, row)
	return nil
}

// runFirst runs the user's statements inside a function, where PostgreSQL itself refuses COMMIT and its like. They have the time that the daemon gives a
// statement.
func (e *Engine) runFirst(ctx context.Context, tx pgx.Tx, first string) error {
	if first == "" {
		return nil
	}
	if _, err := tx.Exec(ctx, "select set_config('sync_roles.first', $1, true), set_config('statement_timeout', $2, true)", first, milliseconds(e.statementTimeout)); err != nil {
		return fmt.Errorf("pass on the statements of --with-sql: %w", err)
	}
	_, err := tx.Exec(ctx, "do $$ begin execute current_setting('sync_roles.first'); end $$")
	if failure.SQLState(err) == "0A000" {
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
