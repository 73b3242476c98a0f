package explain

import (
	"context"
	_ "embed"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/access"
)

// barrier is what keeps a role from using what it has. (barriers.sql)
type barrier struct {
	Role          catalog.OID
	NoConnect     bool
	Login         bool
	ClosedSchemas []string
}

//go:embed barriers.sql
var barriersSQL string

// readBarriers asks the server what is closed to roles: the database, and of these objects' schemas which.
func readBarriers(ctx context.Context, q catalog.Querier, roles []catalog.OID, objects []*access.Object) (map[catalog.OID]barrier, error) {
	schemas := map[string]bool{}
	for _, o := range objects {
		schemas[o.Schema] = true
	}
	list := make([]string, 0, len(schemas))
	for s := range schemas {
		list = append(list, s)
	}
	rows, err := q.Query(ctx, barriersSQL, roles, list)
	if err != nil {
		return nil, fmt.Errorf("ask for USAGE on schemas and CONNECT: %w", err)
	}
	barriers, err := pgx.CollectRows(rows, pgx.RowToStructByPos[barrier])
	if err != nil {
		return nil, fmt.Errorf("ask for USAGE on schemas and CONNECT: %w", err)
	}
	result := map[catalog.OID]barrier{}
	for _, b := range barriers {
		result[b.Role] = b
	}
	return result, nil
}

// inTheWay says what keeps the role from using an object.
func (b barrier) inTheWay(o catalog.Object, database string) []string {
	list := []string{}
	if o.Schema != "" && slices.Contains(b.ClosedSchemas, o.Schema) {
		list = append(list, "no USAGE on schema "+o.Schema)
	}
	if b.NoConnect && o.Type != catalog.Database {
		list = append(list, "no CONNECT on database "+database)
	}
	return list
}
