package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
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

// precheck is what an inspection without the lock found.
type precheck struct {
	due        []string      // the roles for which a pass has something to do, or to tell
	stuck      bool          // something should be revoked and cannot be
	undeclared int64         // how many revokes no row ever asked for
	problems   plan.Problems // of all
	ending     []string      // roles whose sessions are to end, which still have what was taken
}

const laterSQL = "select role_name from sync_roles.retries where next_retry_at > now()"

// precheck inspects roles. It takes no lock and changes nothing.
func (e *Engine) precheck(ctx context.Context, roles []string, w work) (found precheck, err error) {
	tx, err := e.conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return found, fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	return e.precheckIn(ctx, tx, roles, w)
}

// fewestAtOnce is how few roles an inspection without the lock is divided into. What is slow for them is left to a pass, which finds out the reason.
const fewestAtOnce = batchSize / 8

// inspectInParts inspects roles, as many at once as a statement has the time for, and uses what was found of each part.
func (e *Engine) inspectInParts(roles []string, inspect func(part []string) (precheck, error), use func(part []string, found precheck) error) error {
	for len(roles) > 0 {
		part := roles[:min(len(roles), cmp.Or(e.atOnce, batchSize))]
		started := time.Now()
		found, err := inspect(part)
		class := failure.Of(err)
		switch {
		case class == failure.Slow && len(part) > fewestAtOnce:
			e.atOnce = max(len(part)/2, fewestAtOnce)
			continue
		case class == failure.Slow, class == failure.Locked:
			found = precheck{due: part, stuck: true}
		case err != nil:
			return err
		case len(part) == e.atOnce && time.Since(started) < readingTimeout/4:
			if e.atOnce *= 2; e.atOnce >= batchSize {
				e.atOnce = 0
			}
		}
		roles = roles[len(part):]
		if err := use(part, found); err != nil {
			return err
		}
	}
	return nil
}

// patientPrecheck is precheck, tried again where something was dropped meanwhile.
func (e *Engine) patientPrecheck(ctx context.Context, roles []string, w *work) (precheck, error) {
	found, err := e.precheck(ctx, roles, *w)
	if errors.Is(err, errUndated) {
		if err := e.untilDated(ctx); err != nil {
			return found, err
		}
		w.dated = true // for the rest as well
		found, err = e.precheck(ctx, roles, *w)
	}
	for attempt := 1; err != nil && failure.Of(err) == failure.Again && attempt < maxAttempts; attempt++ {
		found, err = e.precheck(ctx, roles, *w)
	}
	return found, err
}

// precheckIn is precheck in a transaction that is there. For a rehearsal everything counts, also what is tried another time.
func (e *Engine) precheckIn(ctx context.Context, tx pgx.Tx, roles []string, w work) (found precheck, err error) {
	if _, err := tx.Exec(ctx, "set local statement_timeout = "+milliseconds(e.readingTime(w))); err != nil {
		return found, fmt.Errorf("begin: %w", err)
	}
	later := map[string]bool{}
	if !w.rehearsal && w.cause != audit.Manual {
		list, err := catalog.Column[string](ctx, tx, laterSQL)
		if err != nil {
			return found, fmt.Errorf("read retries: %w", err)
		}
		later = asSet(list)
	}
	found.problems = plan.Problems{}
	for {
		b, err := e.inspectOutside(ctx, tx, roles, w)
		if err != nil {
			return found, err
		}
		rest := slices.DeleteFunc(slices.Clone(roles), func(role string) bool { return b.plan.Touched[role] })
		last := b.differs || len(rest) == 0 || len(rest) == len(roles)
		if err := e.noteDue(ctx, tx, b, w, later, last, &found); err != nil {
			return found, err
		}
		if last {
			slices.Sort(found.due)
			found.due = slices.Compact(found.due)
			return found, nil
		}
		roles = rest // until a role is as it should be, the plan has nothing of what the others lack
	}
}

// inspectOutside plans for roles, and for those outside of the batch that the plan is about.
func (e *Engine) inspectOutside(ctx context.Context, tx pgx.Tx, roles []string, w work) (*batch, error) {
	if !w.rehearsal {
		w.mode = apply.SkipRefused // statements for one object each, as those are by which the audit knows what PostgreSQL refused
	}
	b := e.newBatch(w, nil)
	if err := e.inspect(ctx, tx, roles, w, b); err != nil {
		return nil, err
	}
	if others := b.plan.Outside(b.roles()); len(others) > 0 {
		if err := e.inspect(ctx, tx, slices.Concat(roles, others), w, b); err != nil {
			return nil, err
		}
	}
	if err := e.checkSessions(ctx, tx, b); err != nil {
		return nil, err
	}
	whole := &pgx.Batch{}
	inspect.CheckRelations(whole, e.relations)
	if err := tx.SendBatch(ctx, whole).Close(); err != nil {
		return nil, fmt.Errorf("inspect the roles: %w", err)
	}
	return b, nil
}

// noteDue adds to what was found; where that is not all, only of the roles that the plan is about. Roles in later are tried another time.
func (e *Engine) noteDue(ctx context.Context, tx pgx.Tx, b *batch, w work, later map[string]bool, all bool, found *precheck) error {
	found.undeclared += b.plan.Undeclared
	found.stuck = found.stuck || len(b.facts.Renaming) > 0
	found.ending = append(found.ending, b.ending...)
	for _, list := range b.problems {
		plan.SortProblems(list)
	}
	found.problems.Merge(b.problems)
	for _, name := range slices.Sorted(maps.Keys(b.roles())) {
		if !all && !b.plan.Touched[name] {
			continue
		}
		keeps := plan.KeepsAccess(b.problems[name])
		found.stuck = found.stuck || keeps
		waits := later[name]
		if !waits && !w.rehearsal && !w.insistent && b.plan.KnownIneffective(b.roles()[name]) {
			resend, err := e.mayResend(ctx, tx)
			if err != nil {
				return err
			}
			waits = !resend
		}
		if waits {
			found.stuck = found.stuck || b.plan.Touched[name]
		} else if b.isDue(name, w) {
			found.due = append(found.due, name)
		}
	}
	return nil
}

// isDue reports whether a pass has something to do for a role, or to tell of it.
func (b *batch) isDue(name string, w work) bool {
	r, list := b.roles()[name], b.problems[name]
	switch {
	case w.rehearsal:
		return b.plan.Touched[name] || slices.Contains(b.ending, name)
	case b.plan.Touched[name]:
		return true
	case r.Withdrawn && !plan.KeepsAccess(list):
		return true // to be forgotten, if no more
	default:
		return audit.StatusChanged(r, plan.WorstOf(false, list), list)
	}
}

func asSet(list []string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, s := range list {
		set[s] = true
	}
	return set
}
