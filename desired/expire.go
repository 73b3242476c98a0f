package desired

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Expire deletes desired grants that have expired, of at most limit roles, and returns these roles.
func Expire(ctx context.Context, q catalog.Querier, limit int) ([]string, error) {
	rows, err := q.Query(ctx, `
		with due as (
			select distinct role_name from sync_roles.desired_grants where expires_at <= now() order by role_name limit $1
		),
		deleted as (
			delete from sync_roles.desired_grants as g using due as d
			where g.role_name = d.role_name and g.expires_at <= now()
			returning g.role_name
		)
		select distinct role_name from deleted order by role_name`, limit)
	if err != nil {
		return nil, fmt.Errorf("delete expired grants: %w", err)
	}
	roles, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("delete expired grants: %w", err)
	}
	return roles, nil
}
