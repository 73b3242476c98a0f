package desired

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Request is a role to be inspected, and the roles that requested it.
type Request struct {
	Role        string
	By          []string
	ObjectNames []string // only what desired grants with these names or patterns ask for; nil: everything
}

//go:embed take.sql
var takeSQL string

//go:embed take_roles.sql
var takeRolesSQL string

//go:embed expand.sql
var expandSQL string

// Take removes the requests for at most limit roles, the oldest first, and returns them: for more than one only as long as those before have fewer than so
// many rows. It must come before the desired rows are read, in the same transaction.
func Take(ctx context.Context, q catalog.Querier, limit int, rows int64) ([]Request, error) {
	return take(ctx, q, takeSQL, limit, rows)
}

// TakeFor removes the requests for these roles and returns them. It must come before the desired rows are read, in the
// same transaction.
func TakeFor(ctx context.Context, q catalog.Querier, roles []string) ([]Request, error) {
	return take(ctx, q, takeRolesSQL, roles)
}

func take(ctx context.Context, q catalog.Querier, sql string, args ...any) ([]Request, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("take pending roles: %w", err)
	}
	requests, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Request])
	if err != nil {
		return nil, fmt.Errorf("take pending roles: %w", err)
	}
	return requests, nil
}

// Expand turns requests for every role into one request for each managed role. It reports whether there were any.
func Expand(ctx context.Context, q catalog.Querier) (bool, error) {
	var expanded bool
	if err := q.QueryRow(ctx, expandSQL).Scan(&expanded); err != nil {
		return false, fmt.Errorf("expand requests for every role: %w", err)
	}
	return expanded, nil
}
