package desired

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

//go:embed count.sql
var countSQL string

// CountRows counts the rows of each of these roles, deleted ones that wait for a pass among them; not much further than to most.
func CountRows(ctx context.Context, q catalog.Querier, roles []string, most int64) ([]int64, error) {
	counts, err := catalog.Column[int64](ctx, q, countSQL, roles, most)
	if err != nil {
		return nil, fmt.Errorf("count the rows of roles: %w", err)
	}
	return counts, nil
}
