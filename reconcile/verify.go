package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/apply"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/inspect"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// verify reads again where something differed (invariant 5). A statement can have undone another (REVOKE on a table revokes the privileges on its columns, too), so what
// differs and was not yet tried is done; what was reported as done and still differs is a problem. Statements that cannot undo one another are verified by the
// ACLs that they wrote, when the pass is audited.
func (e *Engine) verify(ctx context.Context, a *apply.Applier, tx pgx.Tx, w work, b *batch) error {
	before := b.roles()
	if len(a.Tried()) == 0 {
		return nil
	}
	// A row whose privilege a rule takes lacks it only from then on.
	if expected, all := b.plan.Expectations(before); all && w.mode == apply.Fail && len(a.Rejected()) == 0 && !w.enforced {
		b.expected = expected // if that fails, the next try of the pass reads all differences again
		return nil
	}
	for range maxRounds {
		if err := e.reinspect(ctx, tx, w, b); err != nil {
			return fmt.Errorf("read again: %w", err)
		}
		fresh := b.unretired(untried(b.plan.All(), a.Tried()))
		if len(fresh) == 0 {
			break
		}
		b.ended = append(b.ended, b.plan.EndedMemberships()...)
		if err := a.Run(ctx, fresh); err != nil {
			return err
		}
		if err := a.GiveBack(ctx); err != nil {
			return err
		}
	}
	if len(b.plan.All())+len(b.plan.SetAside()) == 0 {
		return nil
	}
	// Rows that were committed since the first reading have requests of their own, which the next pass takes.
	changed, err := inspect.NewlyRequested(ctx, tx, slices.Collect(maps.Keys(before)))
	if err != nil {
		return err
	}
	changed = append(changed, b.retiredRoles()...) // what is left of these is for the next pass
	b.problems.Merge(b.plan.Leftover(before, a.Tried(), a.Rejected(), changed))
	return nil
}

// untried are the steps that were not tried in this pass. Guarded ones are left to the next pass: a role that replaces another must be inspected, and given
// its privileges, before the transaction ends.
func untried(steps []plan.Step, tried map[plan.StepKey]bool) []plan.Step {
	return slices.DeleteFunc(steps, func(s plan.Step) bool { return s.Guarded || tried[s.Key()] })
}
