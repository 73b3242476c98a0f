package reconcile

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/apply"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/inspect"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// prune drops the intermediate roles of the batch that are of no use, and notes since when the others hold nothing.
func (e *Engine) prune(ctx context.Context, a *apply.Applier, tx pgx.Tx, w work, b *batch) error {
	var intermediates []string
	for name, r := range b.roles() {
		if r.Intermediate {
			intermediates = append(intermediates, name)
		}
	}
	if len(intermediates) == 0 || !w.prune && w.roles == nil && !b.mayBeUnused(a.Done()) {
		return nil
	}
	list, err := inspect.UnusedIntermediates(ctx, tx, intermediates, e.policy.PruneEmptyAfterSecs)
	if err != nil {
		return err
	}
	for _, u := range list {
		switch {
		case !u.Used || !u.Holds && (u.Overdue || w.prune):
			err = e.drop(ctx, a, tx, u.RoleName, b)
		case u.Holds == u.Marked:
			err = audit.WriteEmptySince(ctx, tx, u.RoleName, u.Holds)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mayBeUnused reports whether a pass over the queue can have changed of what use an intermediate role is.
func (b *batch) mayBeUnused(done []plan.Step) bool {
	for _, r := range b.roles() {
		if r.Withdrawn {
			return true
		}
	}
	for _, step := range done {
		for _, effect := range step.Effects {
			if effect.Revoked > 0 || b.roles()[effect.Role].Intermediate {
				return true
			}
		}
	}
	return false
}

// drop drops an intermediate role. Where that fails, because something else depends on it, the rest of the pass must not.
func (e *Engine) drop(ctx context.Context, a *apply.Applier, tx pgx.Tx, name string, b *batch) error {
	if err := inspect.ReadContents(ctx, tx, []string{name}, b.facts, e.policy); err != nil {
		return err
	}
	if b.facts.Intermediates[name].OID == 0 {
		return nil // it is not registered any more
	}
	steps, abandoned, problems := plan.Drop(name, b.facts, e.policy)
	for _, p := range problems {
		b.problems.Add(name, p)
	}
	if len(problems) > 0 {
		return nil
	}
	if err := a.Run(ctx, steps); err != nil {
		return err
	}
	r, rejected := a.Rejected()[steps[0].Key()]
	switch {
	case rejected:
		b.problems.Add(name, plan.Problem{Kind: r.Outcome(b.roles()[name].FailedAttempts), Code: r.Code, Role: name, Object: "role " + name, Reason: r.Reason})
	case abandoned:
		b.conflicts[name] = plan.AbandonedProblem(name)
	}
	return nil
}

// useless lists those of these intermediate roles (nil: of all) that a pass drops, or of which it notes that they hold nothing, or do again.
func (e *Engine) useless(ctx context.Context, q catalog.Querier, among []string, now bool) ([]string, error) {
	list, err := inspect.UnusedIntermediates(ctx, q, among, e.policy.PruneEmptyAfterSecs)
	if err != nil {
		return nil, err
	}
	var roles []string
	for _, u := range list {
		if !u.Used || u.Overdue || u.Holds == u.Marked || now && !u.Holds {
			roles = append(roles, u.RoleName)
		}
	}
	return roles, nil
}
