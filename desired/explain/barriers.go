package explain

import (
	"context"
	_ "embed"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// barrier is what keeps a role from using what it has. (barriers.sql)
type barrier struct {
	Role          string
	NoConnect     bool
	Login         bool
	ClosedSchemas []string
}

// barriers are those of some roles, by name.
type barriers map[string]barrier

//go:embed barriers.sql
var barriersSQL string

// readBarriers asks the server what is closed to roles: the database, and which of these schemas.
func readBarriers(ctx context.Context, q catalog.Querier, roles, schemas []string) (barriers, error) {
	rows, err := q.Query(ctx, barriersSQL, distinct(roles), distinct(schemas))
	if err != nil {
		return nil, fmt.Errorf("ask for USAGE on schemas and CONNECT: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[barrier])
	if err != nil {
		return nil, fmt.Errorf("ask for USAGE on schemas and CONNECT: %w", err)
	}
	result := barriers{}
	for _, b := range list {
		result[b.Role] = b
	}
	return result, nil
}

func distinct(names []string) []string {
	list := append([]string{}, names...)
	slices.Sort(list)
	return slices.Compact(list)
}

// users are the roles as which ways are used: the role itself, and those that it must SET ROLE to.
func users(role string, ways []Path) []string {
	list := []string{role}
	for _, w := range ways {
		if w.SetRole != "" {
			list = append(list, w.SetRole)
		}
	}
	return list
}

// ofRole says what keeps a role from using an object by any way: it is the one that logs in, whatever it does SET ROLE to.
func (b barriers) ofRole(role string, objectType catalog.ObjectType, database string) []string {
	if b[role].NoConnect && objectType != catalog.Database {
		return []string{"no CONNECT on database " + database}
	}
	return []string{}
}

// mark says of each way what is in it: USAGE counts for the role that one is by then.
func (b barriers) mark(ways []Path, role, schema string) {
	for i, w := range ways {
		user := role
		if w.SetRole != "" {
			user = w.SetRole
		}
		if schema != "" && w.code == nil && slices.Contains(b[user].ClosedSchemas, schema) {
			ways[i].BlockedBy = append(ways[i].BlockedBy, "no USAGE on schema "+schema)
		}
	}
}
