package inspect

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/failure"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// Rows that a pass does not see look like rows that were deleted, and what they gave would be revoked. So a pass must know that it reads the tables
// that were checked, and all of them: row_security = off makes PostgreSQL refuse a query from which policies would hide rows (the manual: "Row Security
// Policies"), and before the commit the tables are compared with those of the check.

var (
	relationsSQL         = query("relations")
	replacedRelationsSQL = query("replaced_relations")
)

// Relation is a table or view of schema sync_roles.
type Relation struct {
	Name  string
	OID   catalog.OID
	Kind  string // pg_class.relkind
	Owner catalog.OID
	Hides bool // row-level security would hide rows from the connected role
}

// Relations lists the relations, or says from which of them the role does not see all rows.
func Relations(ctx context.Context, q catalog.Querier, role string) ([]Relation, error) {
	list, err := catalog.Collect[Relation](ctx, q, relationsSQL)
	if err != nil {
		return nil, fmt.Errorf("read the relations of schema sync_roles: %w", err)
	}
	var hiding []string
	for _, r := range list {
		if r.Hides {
			hiding = append(hiding, "sync_roles."+catalog.Quote(r.Name))
		}
	}
	if len(hiding) > 0 {
		return nil, fmt.Errorf("row-level security can hide rows of %s from role %q, and what they give would be revoked: connect as the owner of schema sync_roles; where its owner is bound too, run: %s",
			strings.Join(hiding, ", "), role, plan.UnhideFix(hiding))
	}
	return list, nil
}

// replacedError is that a pass has read other relations than those that were checked.
type replacedError []string

func (e replacedError) Error() string {
	return fmt.Sprintf("sync_roles.%s was replaced, renamed or given to another role after the engine connected: nothing was changed", strings.Join(e, ", sync_roles."))
}

// Class makes the engine connect anew, which checks the schema, and says what is wrong with it.
func (e replacedError) Class() failure.Class { return failure.Disconnected }

// CheckRelations adds to a batch the check that it reads from these relations.
func CheckRelations(batch *pgx.Batch, list []Relation) {
	var names, kinds []string
	var oids, owners []catalog.OID
	for _, r := range list {
		names, kinds = append(names, r.Name), append(kinds, r.Kind)
		oids, owners = append(oids, r.OID), append(owners, r.Owner)
	}
	batch.Queue(replacedRelationsSQL, names, oids, kinds, owners).Query(func(rows pgx.Rows) error {
		replaced, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		if len(replaced) > 0 {
			return replacedError(replaced)
		}
		return nil
	})
}
