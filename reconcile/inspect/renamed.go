package inspect

import (
	"context"
	"fmt"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

var (
	renamedObjectsSQL = query("renamed_objects")
	renamedDesiredSQL = query("renamed_desired")
)

// RenamedObject is an object that bore another name when a row last resolved to it.
type RenamedObject struct {
	ClassOID, ObjectOID                           catalog.OID
	ColumnNumber                                  int16
	ObjectType                                    string
	SchemaName, ObjectName, Signature, ColumnName string // the name that it bore
}

// Renamed lists the remembered objects that no longer bear the name under which they are remembered, or are gone.
func Renamed(ctx context.Context, q catalog.Querier) ([]RenamedObject, error) {
	list, err := catalog.Collect[RenamedObject](ctx, q, renamedObjectsSQL)
	if err != nil {
		return nil, fmt.Errorf("look for renamed objects: %w", err)
	}
	return list, nil
}

// RenamedDesired returns the roles with rows for the names that these objects bore, and the names and patterns of the rows. Both are nil where there are so
// many names that inspecting all roles is as good.
func RenamedDesired(ctx context.Context, q catalog.Querier, list []RenamedObject) (roles, names []string, err error) {
	var types, schemas, objects, signatures []string
	distinct := map[string]bool{}
	for _, r := range list {
		types, schemas = append(types, r.ObjectType), append(schemas, r.SchemaName)
		objects, signatures = append(objects, r.ObjectName), append(signatures, r.Signature)
		distinct[r.ObjectName] = true
	}
	if Few(sorted(distinct)) == nil {
		return nil, nil, nil
	}
	type desired struct{ RoleName, ObjectName string }
	rows, err := catalog.Collect[desired](ctx, q, renamedDesiredSQL, types, schemas, objects, signatures)
	if err != nil {
		return nil, nil, fmt.Errorf("look for the rows of renamed objects: %w", err)
	}
	roleSet, nameSet := map[string]bool{}, map[string]bool{}
	for _, r := range rows {
		roleSet[r.RoleName], nameSet[r.ObjectName] = true, true
	}
	if names = Few(sorted(nameSet)); names == nil {
		return nil, nil, nil
	}
	return sorted(roleSet), names, nil
}
