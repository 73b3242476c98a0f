package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Rows that a pass does not see look like rows that were deleted, and what they gave would be taken away. So a pass must know that it reads the tables
// that were checked, and all of them: row_security = off makes PostgreSQL refuse a query from which policies would hide rows (the manual: "Row Security
// Policies"), and before the commit the tables are compared with those of the check.

// relation is a table or view of schema sync_roles.
type relation struct {
	Name  string
	OID   uint32
	Kind  string // pg_class.relkind
	Owner uint32
	Hides bool // row-level security would hide rows from the connected role
}

var (
	relationsSQL = query("relations")
	replacedSQL  = query("replaced")
)

// readRelations lists the relations, or says from which of them the role does not see all rows.
func readRelations(ctx context.Context, q catalog.Querier, role string) ([]relation, error) {
	list, err := collect[relation](ctx, q, relationsSQL)
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
		return nil, fmt.Errorf("row-level security can hide rows of %s from role %q, and what they give would be taken away: connect as the owner of schema sync_roles; where its owner is bound too, run: %s",
			strings.Join(hiding, ", "), role, unhideFix(hiding))
	}
	return list, nil
}

// replacedError is that a pass has read other tables than those that were checked.
type replacedError []string

func (e replacedError) Error() string {
	return fmt.Sprintf("sync_roles.%s was replaced, renamed or given to another role after the engine connected: nothing was changed", strings.Join(e, ", sync_roles."))
}

// checkRelations adds to a pass's last batch that it has read from the relations that were checked.
func (e *Engine) checkRelations(batch *pgx.Batch) {
	var names, kinds []string
	var oids, owners []uint32
	for _, r := range e.relations {
		names, kinds = append(names, r.Name), append(kinds, r.Kind)
		oids, owners = append(oids, r.OID), append(owners, r.Owner)
	}
	batch.Queue(replacedSQL, names, oids, kinds, owners).Query(func(rows pgx.Rows) error {
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

// readsInPart reports whether PostgreSQL refused a query because a policy would have hidden rows from it. (check_enable_rls in rls.c)
func readsInPart(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "42501" && e.Routine == "check_enable_rls"
}
