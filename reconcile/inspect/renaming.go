package inspect

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

var renamingSQL = query("renaming")

// NextTransaction returns the ID that the next transaction will have.
func NextTransaction(ctx context.Context, q catalog.Querier) (next int64, err error) {
	if err := q.QueryRow(ctx, "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint").Scan(&next); err != nil {
		return 0, fmt.Errorf("read the next transaction ID: %w", err)
	}
	return next, nil
}

// Renaming returns the schemas and types of the drift that were renamed by transaction young or a later one (0: by any), and the ID that the next transaction
// will have; or 0 where the drift has neither.
func Renaming(ctx context.Context, tx pgx.Tx, d *plan.Drift, young int64) (renaming map[catalog.OID]bool, next int64, err error) {
	renaming = map[catalog.OID]bool{}
	classes, oids := d.Renameable()
	if len(oids) == 0 {
		return renaming, 0, nil
	}
	var list []catalog.OID
	if err := tx.QueryRow(ctx, renamingSQL, classes, oids, young).Scan(&list, &next); err != nil {
		return nil, 0, fmt.Errorf("look for schemas and types that were renamed a moment ago: %w", err)
	}
	for _, oid := range list {
		renaming[oid] = true
	}
	return renaming, next, nil
}
