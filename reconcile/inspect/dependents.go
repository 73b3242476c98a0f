package inspect

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

var dependentsSQL = query("dependents")

// addDependents reads who holds what the surplus privileges' holders have passed on. Most have passed on nothing, and for them nothing is asked.
func addDependents(ctx context.Context, tx pgx.Tx, d *plan.Drift) error {
	var passed []*plan.SurplusGrant
	var types, schemas, names, signatures, columns, privileges, grantees []string
	var classes, oids []catalog.OID
	for i := range d.Grants {
		g := &d.Grants[i]
		if !g.PassedOn {
			continue
		}
		passed = append(passed, g)
		classes, oids = append(classes, g.ClassOID), append(oids, g.ObjectOID)
		types, schemas = append(types, string(g.ObjectType)), append(schemas, g.SchemaName)
		names, signatures = append(names, g.ObjectName), append(signatures, g.Signature)
		columns, privileges, grantees = append(columns, g.ColumnName), append(privileges, g.Privilege), append(grantees, g.Role)
	}
	if len(passed) == 0 {
		return nil
	}
	list, err := catalog.Column[[]plan.Dependent](ctx, tx, dependentsSQL, classes, oids, types, schemas, names, signatures, columns, privileges, grantees)
	if err != nil {
		return fmt.Errorf("read to whom privileges were passed on: %w", err)
	}
	for i, dependents := range list {
		passed[i].Dependents = dependents
	}
	return nil
}
