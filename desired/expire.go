package desired

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

//go:embed expire.sql
var expireSQL string

// Expire deletes desired grants that have expired, of at most limit roles, and returns these roles: of those among these, or with nil of all
// that do not wait for another try.
func Expire(ctx context.Context, q catalog.Querier, limit int, among []string) ([]string, error) {
	rows, err := q.Query(ctx, expireSQL, limit, among)
	if err != nil {
		return nil, fmt.Errorf("delete expired grants: %w", err)
	}
	roles, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("delete expired grants: %w", err)
	}
	return roles, nil
}
