package inspect

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

var (
	relatedIntermediatesSQL = query("related_intermediates")
	requestedSQL            = query("requested")
)

const (
	withdrawnSQL = `
		select role_name, array_agg(id) as ids, array_agg(transaction::text::bigint) as transactions, array_agg(privilege = 'OWNER') as ownerships
		from sync_roles.withdrawn
		where role_name = any ($1)
		group by role_name`
	heldRolesSQL = "select role_name from sync_roles.held where role_name = any ($1)"
	placeSQL     = "select i.system_identifier || '/' || i.database_oid from sync_roles.installation as i"
)

// WithdrawnRow is a row that was deleted, and the transaction that deleted it.
type WithdrawnRow struct {
	ID, Transaction int64
	Ownership       bool // it gave ownership
}

// History is what passes before left to this one.
type History struct {
	Withdrawn     map[string][]WithdrawnRow // the deleted rows of each role
	Intermediates []string                  // that the roles' rows use or used, or of which they are members
	Held          []string                  // the roles of which revokes are held
	Place         string                    // the cluster and database in which the schema was installed
}

// ReadHistory reads the history of these roles.
func ReadHistory(ctx context.Context, tx pgx.Tx, roles, names []string) (h History, err error) {
	type withdrawn struct {
		RoleName     string
		IDs          []int64
		Transactions []int64
		Ownerships   []bool
	}
	var list []withdrawn
	batch := &pgx.Batch{}
	catalog.Queue(batch, withdrawnSQL, &list, roles)
	catalog.QueueColumn(batch, relatedIntermediatesSQL, &h.Intermediates, roles, names)
	catalog.QueueColumn(batch, heldRolesSQL, &h.Held, roles)
	catalog.QueueValue(batch, placeSQL, &h.Place)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return h, fmt.Errorf("read withdrawn rows, held revokes, and the related intermediate roles: %w", err)
	}
	h.Withdrawn = map[string][]WithdrawnRow{}
	for _, w := range list {
		for i, id := range w.IDs {
			h.Withdrawn[w.RoleName] = append(h.Withdrawn[w.RoleName], WithdrawnRow{id, w.Transactions[i], w.Ownerships[i]})
		}
	}
	return h, nil
}

// Requested reports whether there is a reason for a pass over these roles besides their privileges: a request, an expired row, a retry or an approval.
func Requested(ctx context.Context, q catalog.Querier, roles []string) (requested bool, err error) {
	if err := q.QueryRow(ctx, requestedSQL, roles).Scan(&requested); err != nil {
		return false, fmt.Errorf("look for requests: %w", err)
	}
	return requested, nil
}

// NewlyRequested returns those of these roles for which there are requests in the queue.
func NewlyRequested(ctx context.Context, q catalog.Querier, roles []string) ([]string, error) {
	list, err := catalog.Column[string](ctx, q, "select distinct role_name from sync_roles.pending where role_name = any ($1)", roles)
	if err != nil {
		return nil, fmt.Errorf("look for newer requests: %w", err)
	}
	return list, nil
}
