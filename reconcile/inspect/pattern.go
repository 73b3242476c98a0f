package inspect

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/failure"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

var (
	patternsSQL       = query("patterns")
	measurePatternSQL = query("measure_pattern")
)

const costlyPatternsSQL = `
	select c.object_type, c.schema_name, c.schema_match, c.object_name, c.name_match
	from sync_roles.costly_patterns as c
	where c.measured_at < now() - $1::interval
	order by c.measured_at`

// Pattern is the pattern of a selector.
type Pattern struct {
	ObjectType, SchemaName, SchemaMatch, ObjectName, NameMatch string
}

// Patterns lists the patterns that a pass over these roles compares with names.
func Patterns(ctx context.Context, q catalog.Querier, roles []string) ([]Pattern, error) {
	intermediates, err := catalog.Column[string](ctx, q, relatedIntermediatesSQL, roles, []string(nil))
	if err != nil {
		return nil, fmt.Errorf("read the related intermediate roles: %w", err)
	}
	list, err := catalog.Collect[Pattern](ctx, q, patternsSQL, append(intermediates, roles...))
	if err != nil {
		return nil, fmt.Errorf("read the patterns of %d roles: %w", len(roles), err)
	}
	return list, nil
}

// CostlyPatterns lists the patterns that are left out, and were measured longer ago than that.
func CostlyPatterns(ctx context.Context, q catalog.Querier, age time.Duration) ([]Pattern, error) {
	list, err := catalog.Collect[Pattern](ctx, q, costlyPatternsSQL, age)
	if err != nil {
		return nil, fmt.Errorf("read patterns that take too long: %w", err)
	}
	return list, nil
}

// MeasurePattern compares a pattern with all names, for plan.PatternTimeout at most.
func MeasurePattern(ctx context.Context, conn *pgx.Conn, p Pattern) (took time.Duration, tooLong bool, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fmt.Sprintf("set local statement_timeout = %d", plan.PatternTimeout.Milliseconds())); err != nil {
			return err
		}
		started := time.Now()
		defer func() { took = time.Since(started) }()
		_, err := tx.Exec(ctx, measurePatternSQL, p.ObjectType, p.SchemaName, p.ObjectName, p.NameMatch, p.SchemaMatch)
		return err
	})
	if failure.Of(err) == failure.Slow {
		return took, true, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("measure the pattern %q: %w", p.ObjectName, err)
	}
	return took, false, nil
}
