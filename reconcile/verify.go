package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// verify reads again where something differed. A statement can have undone another (REVOKE on a table takes the privileges on its columns
// along), so what differs and was not yet tried is done; what was reported as done and still differs is a problem.
func (e *Engine) verify(ctx context.Context, a *applier, w work, before *state) (*state, error) {
	after := &state{
		roles: before.roles, drift: before.drift, plan: before.plan, remember: before.remember, ledger: before.ledger, approvedBy: before.approvedBy,
		unmatched: before.unmatched, strangers: before.strangers, adopted: before.adopted, refused: a.refused,
	}
	for range maxRounds {
		if err := e.lookAgain(ctx, a.tx, w, after); err != nil {
			return nil, fmt.Errorf("read again: %w", err)
		}
		fresh := a.untried(after.plan.steps())
		if len(fresh) == 0 {
			break
		}
		if err := a.run(ctx, fresh); err != nil {
			return nil, err
		}
		if err := a.giveBack(ctx); err != nil {
			return nil, err
		}
	}
	left := append(after.plan.steps(), after.setAside...)
	if len(left) == 0 {
		return after, nil
	}
	// Rows that were committed since the first reading have requests of their own, which the next pass takes.
	changed, err := names(ctx, a.tx, "select distinct role_name from sync_roles.pending where role_name = any ($1)", keys(before.roles))
	if err != nil {
		return nil, fmt.Errorf("look for newer requests: %w", err)
	}
	for _, step := range left {
		for _, effect := range step.Effects {
			// But what was to be taken away and is there still must not be forgotten with the row that gave it.
			if slices.Contains(changed, effect.Unit) && (effect.Revoked == 0 || len(a.untried([]Step{step})) > 0) {
				continue
			}
			why := cmp.Or(a.refused[step.key()], refusal{reason: noEffect, kind: Blocked})
			problem := Problem{Kind: why.outcome(before.roles[effect.Unit].FailedAttempts), Object: effect.SQL, Reason: why.reason, Taking: effect.Revoked > 0}
			if why.rights {
				problem.Fix = step.fix
			}
			after.problems.add(effect.Unit, problem)
		}
	}
	return after, nil
}

// lookAgain reads anew where there were differences, and decides. Where there were none, nothing was done.
func (e *Engine) lookAgain(ctx context.Context, tx pgx.Tx, w work, s *state) (err error) {
	if s.drift == nil || s.plan.preparing() || s.drift.settingsDiffer() {
		units := keys(s.roles)
		if s.plan != nil {
			units = append(units, s.plan.foundIntermed...)
		}
		return e.look(ctx, tx, units, w, s)
	}
	w.members = w.members || s.adopted
	s.problems = problems{}
	if s.plan, err = e.lookAtRoles(ctx, tx, s); err != nil {
		return err
	}
	if s.drift, err = readDifferences(ctx, tx, s.drift.scope(w, e.policy)); err != nil {
		return err
	}
	return e.decide(ctx, tx, w, s)
}

const noEffect = "PostgreSQL reported success, and nothing changed: another role's grant, or a missing grant option, is in the way"
