package reconcile

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog/failure"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/inspect"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// A plan refuses what a rule of sync_roles.forbidden forbids to its grantees and their members. What it does not foresee, such as a view that shows more
// because its owner was given more, is seen when it is done: then the pass fails, and nothing of it is committed.

// noteBreaches notes which rules are broken before steps of the pass give anything.
func (b *batch) noteBreaches(ctx context.Context, tx pgx.Tx, steps []plan.Step) (err error) {
	if !b.scope.Rules || len(steps) == 0 || b.breaches != nil || !b.plan.MayBreakRules(b.facts) {
		return nil
	}
	b.breaches, err = inspect.Breaches(ctx, tx)
	return err
}

// checkBreaches fails where the pass has broken a rule.
func (b *batch) checkBreaches(ctx context.Context, tx pgx.Tx) error {
	if b.breaches == nil {
		return nil
	}
	now, err := inspect.Breaches(ctx, tx)
	if err != nil {
		return err
	}
	for key, text := range now {
		if _, before := b.breaches[key]; !before {
			return &breachError{text}
		}
	}
	return nil
}

// breachError says which rule a pass has broken, and how.
type breachError struct{ breach string }

func (e *breachError) Error() string { return fmt.Sprintf("forbidden by %s", e.breach) }

// Class implements what package failure asks for.
func (e *breachError) Class() failure.Class { return failure.NeedsHelp }
