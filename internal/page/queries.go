package page

import (
	"context"
	"embed"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

//go:embed sql/*.sql
var sqlFiles embed.FS

// query is a query by the name of its file.
func query(name string) string {
	text, err := sqlFiles.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err)
	}
	return string(text)
}

// collect runs a query by its name.
func collect[T any](r *request, name string, args ...any) ([]T, error) {
	list, err := catalog.Collect[T](r.ctx, r.tx, query(name), args...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return list, nil
}

// selectors are what the intermediate roles among some roles hold; the reader may not be allowed to know.
func selectors(ctx context.Context, tx pgx.Tx, reader reader, names map[string]bool) (map[string]string, error) {
	held := map[string]string{}
	if !reader.may("intermediate_roles") || len(names) == 0 {
		return held, nil
	}
	type row struct {
		RoleName string
		Selector string
	}
	list, err := catalog.Collect[row](ctx, tx, query("intermediate_roles"), slices.Sorted(maps.Keys(names)))
	if err != nil {
		return nil, fmt.Errorf("read what intermediate roles hold: %w", err)
	}
	for _, r := range list {
		held[r.RoleName] = r.Selector
	}
	return held, nil
}
