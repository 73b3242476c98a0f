package desired

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

//go:embed managed.sql
var managedSQL string

// Managed returns the names of all managed roles, including those whose last row was deleted and not processed yet.
func Managed(ctx context.Context, q catalog.Querier) ([]string, error) {
	rows, err := q.Query(ctx, managedSQL)
	if err != nil {
		return nil, fmt.Errorf("read managed roles: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("read managed roles: %w", err)
	}
	return names, nil
}
