package reconcile

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

var schemasSQL = query("schemas")

// schemaFacts is what decides whether the daemon can name what is in a schema.
type schemaFacts struct {
	Name       string
	Owner      catalog.OID
	Usage      bool // the daemon has USAGE
	OwnerUsage bool // the schema's owner has, who may have taken it from itself
}

// lenders are the roles of which the daemon becomes a member for the length of a statement; empty: none.
type lenders struct {
	owner  string // of the object, or the grantor
	schema string // the owner of its schema, for USAGE
}

func (l lenders) list() []string {
	var list []string
	for _, role := range []string{l.owner, l.schema} {
		if role != "" {
			list = append(list, role)
		}
	}
	return list
}

// readSchemas reads about the schemas in which something is to be granted or revoked that the daemon, as it is, may not name.
func (d *Drift) readSchemas(ctx context.Context, tx pgx.Tx) error {
	set := map[string]bool{}
	for _, m := range d.Missing {
		if m.SchemaName != "" && (m.NoUsage || !m.MayGrant) {
			set[m.SchemaName] = true
		}
	}
	for _, s := range d.Grants {
		if s.NoUsage {
			set[s.SchemaName] = true
		}
	}
	d.Schemas = map[string]schemaFacts{}
	if len(set) == 0 {
		return nil
	}
	list, err := collect[schemaFacts](ctx, tx, schemasSQL, keys(set))
	if err != nil {
		return fmt.Errorf("read who owns schemas: %w", err)
	}
	for _, s := range list {
		d.Schemas[s.Name] = s
	}
	return nil
}

// schemaLender is the role that can lend the daemon USAGE on a schema; ok is false if there is none.
func (c *decision) schemaLender(schema string) (name string, ok bool) {
	s := c.drift.Schemas[schema]
	owner := c.drift.Rights[s.Owner]
	return owner.Lender, s.OwnerUsage && canBorrow(owner)
}
