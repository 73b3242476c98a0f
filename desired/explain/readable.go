package explain

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/access"
)

// Readable is a table, and the columns of it that a role may read, in their order.
type Readable struct {
	Schema, Name string
	Columns      []string
}

//go:embed readable.sql
var readableSQL string

// ReadableColumns looks for the tables that the filter names.
func ReadableColumns(ctx context.Context, q catalog.Querier, role string, filter access.Filter) ([]Readable, error) {
	list, err := catalog.Collect[Readable](ctx, q, readableSQL, role, filter.Schema, filter.Name)
	if err != nil {
		return nil, fmt.Errorf("read the columns of %s that role %s may read: %w", filter.Name, role, err)
	}
	return list, nil
}
