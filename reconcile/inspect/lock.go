package inspect

import (
	"context"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

var lockHoldersSQL = query("lock_holders")

// LockHolders says which sessions keep passes from reading the tables that writers of rows can lock.
func LockHolders(ctx context.Context, q catalog.Querier) ([]string, error) {
	return catalog.Column[string](ctx, q, lockHoldersSQL)
}
