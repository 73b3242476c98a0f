package audit

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

const (
	recordAccessSQL = "select sync_roles.record_access($1, $2::oid[], $3::oid[], $4::oid[], $5::text[], $6::text[])"
	observeSQL      = "select sync_roles.observe_access($1)"
)

// RecordAccess records what the steps of a pass have given and taken, for access_history. The database compares: what a step says is not always what it does.
func RecordAccess(records *pgx.Batch, cause Cause, done []plan.Step, ended []plan.Membership) {
	var tables []catalog.OID
	var schemas []string
	type key struct{ class, oid catalog.OID }
	objects, members := map[key]bool{}, map[string]bool{}
	for _, step := range done {
		for _, o := range step.Objects {
			if o.OID != 0 { // a parameter has none until something is granted on it: the next rescan sees it
				objects[key{o.Class, o.OID}] = true
			}
		}
		for _, o := range step.Owned {
			switch {
			case o.OID == 0: // it was created
				schemas = append(schemas, o.Name)
				continue
			case o.Type == catalog.Table:
				tables = append(tables, o.OID)
			}
			objects[key{o.Class, o.OID}] = true
		}
		if len(step.Objects)+len(step.Owned) == 0 {
			for _, effect := range step.Effects {
				members[effect.Role] = true
			}
		}
	}
	for _, m := range ended {
		members[m.Member] = true
	}
	if len(objects)+len(schemas)+len(members) == 0 {
		return
	}
	var classes, oids []catalog.OID
	for o := range objects {
		classes, oids = append(classes, o.class), append(oids, o.oid)
	}
	records.Queue(recordAccessSQL, string(cause), classes, oids, tables, schemas, slices.Sorted(maps.Keys(members)))
}

// Observe records what has changed in the whole database since it was last recorded, by whomever.
func Observe(ctx context.Context, db executor, cause Cause) error {
	if _, err := db.Exec(ctx, observeSQL, string(cause)); err != nil {
		return fmt.Errorf("record what roles hold: %w", err)
	}
	return nil
}
