package inspect

import (
	"context"
	"fmt"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

var deadRolesSQL = query("dead_roles")

// DeadListed is how many roles DeadRoles lists at most.
const DeadListed = 1000

// DeadRole is an intermediate role or a keeper of a dropped database.
type DeadRole struct {
	OID         catalog.OID
	Name        string
	DatabaseOID string // as in the name
}

// DeadRoles lists those of these roles, or with nil of all, that belong to dropped databases.
func DeadRoles(ctx context.Context, q catalog.Querier, among []catalog.OID) ([]DeadRole, error) {
	list, err := catalog.Collect[DeadRole](ctx, q, deadRolesSQL, among)
	if err != nil {
		return nil, fmt.Errorf("look for intermediate roles of dropped databases: %w", err)
	}
	return list, nil
}
