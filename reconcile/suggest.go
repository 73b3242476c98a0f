package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/adopt"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// Suggestion is a group that some roles could share, and what would keep it from replacing what they have.
type Suggestion struct {
	adopt.Suggestion
	Problems []plan.Problem // that a pass would have with it; no access would be as it was
	Many     bool           // so many rows are deleted that the limit may hold what they gave
}

// Suggest suggests groups for what roles hold alike: see adopt.Suggest. It changes nothing. Dry runs show what a pass could not do.
func (e *Engine) Suggest(ctx context.Context, roles []string) ([]Suggestion, error) {
	list, err := e.findSuggestions(ctx, roles)
	if err != nil {
		return nil, err
	}
	var result []Suggestion
	for _, s := range list {
		problems, err := e.try(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("try group %s: %w", s.Group, err)
		}
		limit := e.policy.Limit.Revokes
		result = append(result, Suggestion{s, problems, limit > 0 && s.Replaced() > limit})
	}
	return result, nil
}

// tried is how many rows a dry run deletes.
const tried = 1000

// try rehearses what a suggestion does with grants by hand, for some members at a time. What rows gave, the daemon granted, and can grant to the group.
func (e *Engine) try(ctx context.Context, s adopt.Suggestion) ([]plan.Problem, error) {
	problems := plan.Problems{}
	byHand := slices.DeleteFunc(slices.Clone(s.Members), func(m adopt.Member) bool { return !m.ByHand })
	for members := range slices.Chunk(byHand, max(1, tried*len(s.Members)/s.Replaced())) {
		part := s
		part.Members = members
		names := []string{s.Group}
		for _, m := range members {
			names = append(names, m.Name)
		}
		before, err := e.DryRun(ctx, names, "")
		if err != nil {
			return nil, err
		}
		after, err := e.dryRunAfter(ctx, names, func(ctx context.Context, tx pgx.Tx) error {
			for _, statement := range part.Statements() {
				if _, err := tx.Exec(ctx, statement.SQL); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		problems.Merge(newProblems(before, after))
	}
	var list []plan.Problem
	for _, role := range slices.Sorted(maps.Keys(problems)) {
		for _, p := range problems[role] {
			p.Role = cmp.Or(p.Role, role)
			list = append(list, p)
		}
	}
	return list, nil
}

// findSuggestions reads in a transaction that it rolls back.
func (e *Engine) findSuggestions(ctx context.Context, roles []string) ([]adopt.Suggestion, error) {
	tx, err := e.conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	return adopt.Suggest(ctx, tx, e.server, e.policy, roles)
}

// newProblems are those of the second report that the first does not have, by role.
func newProblems(before, after *Report) plan.Problems {
	key := func(role string, p plan.Problem) string {
		return strings.Join([]string{role, string(p.Kind), string(p.Code), p.Privilege, p.Object}, "\x00")
	}
	known := map[string]bool{}
	for _, row := range before.Rows {
		for _, p := range row.Problems {
			known[key(row.Role, p)] = true
		}
	}
	problems := plan.Problems{}
	for _, row := range after.Rows {
		for _, p := range row.Problems {
			switch p.Kind {
			case plan.Waiting: // the members' rows waited for the same object
				continue
			case plan.Held: // what this dry run alone revokes says nothing
				continue
			}
			if !known[key(row.Role, p)] {
				problems.Add(row.Role, p)
			}
		}
	}
	return problems
}
