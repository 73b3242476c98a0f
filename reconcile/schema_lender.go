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
	Name        string
	Class       catalog.OID
	OID         catalog.OID
	Owner       catalog.OID
	Usage       bool // the daemon has USAGE
	UsageOption bool // with the grant option
	OwnerUsage  bool // the schema's owner has, who may have taken it from itself
}

func (s schemaFacts) object() catalog.Object {
	return catalog.Object{Type: catalog.Schema, Class: s.Class, OID: s.OID, Name: s.Name, Owner: s.Owner}
}

// lenders are the roles of which the daemon becomes a member for the length of a statement; empty: none.
type lenders struct {
	owner  string         // of the object, or the grantor
	schema string         // the owner of its schema, for USAGE
	usage  catalog.Object // the schema on which the role to act as gets USAGE for the length of the statement
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
		if s.NoUsage || s.GrantorNoUsage {
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

// usageLender is the role with whose privileges the daemon can give another one USAGE on a schema, if its own are not enough; ok is false if there is none.
func (c *decision) usageLender(schema string) (name string, ok bool) {
	s := c.drift.Schemas[schema]
	owner := c.drift.Rights[s.Owner]
	if c.drift.Server.Superuser || owner.Usage || s.UsageOption {
		return "", s.OID != 0
	}
	return owner.Lender, canBorrow(owner)
}

// lendUsage is what comes before and after the statements of a role that cannot name what is in the schema. No other session sees it.
func lendUsage(schema, role string) (lend, back string) {
	return usageFix(schema, role), fmt.Sprintf("REVOKE USAGE ON SCHEMA %s FROM %s", catalog.Quote(schema), catalog.Quote(role))
}
