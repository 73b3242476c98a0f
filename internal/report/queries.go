package report

import (
	"context"
	"embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

//go:embed sql/*.sql
var sqlFiles embed.FS

// query is a query by the names of the files that it consists of.
func query(names ...string) string {
	var text string
	for _, name := range names {
		part, err := sqlFiles.ReadFile("sql/" + name + ".sql")
		if err != nil {
			panic(err)
		}
		text += string(part)
	}
	return text
}

// collect runs a query by its name.
func collect[T any](ctx context.Context, tx pgx.Tx, name string, args ...any) ([]T, error) {
	list, err := catalog.Collect[T](ctx, tx, query(name), args...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if list == nil {
		list = []T{}
	}
	return list, nil
}
