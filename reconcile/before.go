package reconcile

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// withdrawnRow is a row that has gone, and the transaction that took it away.
type withdrawnRow struct{ id, transaction int64 }

// asBefore is what to know about a batch from before.
type asBefore struct {
	withdrawn map[string][]withdrawnRow // the rows of each role that have gone
	involved  []string                  // intermediate roles
	held      []string                  // roles from which nothing was taken away before somebody approves
	place     string                    // where the schema was installed
}

func readBefore(ctx context.Context, tx pgx.Tx, roles, names []string) (before asBefore, err error) {
	type row struct {
		Role         string
		IDs          []int64
		Transactions []int64
	}
	var list []row
	batch := &pgx.Batch{}
	queue(batch, "select role_name, array_agg(id), array_agg(transaction::text::bigint) from sync_roles.withdrawn where role_name = any ($1) group by role_name", &list, roles)
	batch.Queue(involvedSQL, roles, names).Query(func(rows pgx.Rows) (err error) {
		before.involved, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	batch.Queue("select role_name from sync_roles.held where role_name = any ($1)", roles).Query(func(rows pgx.Rows) (err error) {
		before.held, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	batch.Queue("select i.system_identifier || '/' || i.database_oid from sync_roles.installation as i").QueryRow(func(row pgx.Row) error { return row.Scan(&before.place) })
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return before, fmt.Errorf("read withdrawn rows, what is held, and the intermediate roles involved: %w", err)
	}
	before.withdrawn = map[string][]withdrawnRow{}
	for _, r := range list {
		for i, id := range r.IDs {
			before.withdrawn[r.Role] = append(before.withdrawn[r.Role], withdrawnRow{id, r.Transactions[i]})
		}
	}
	return before, nil
}

var involvedSQL = query("involved")

var forgetWithdrawnSQL = query("forget_withdrawn")

var shortenedSQL = query("shortened")

// forgetWithdrawn deletes the withdrawn rows of roles from which all was taken that they gave. What is held keeps the rows of its deletions only.
func (e *Engine) forgetWithdrawn(records *pgx.Batch, withdrawn map[string][]withdrawnRow, s *state) {
	var ids []int64
	for _, role := range keys(withdrawn) {
		if slices.ContainsFunc(s.problems[role], func(p Problem) bool { return p.Taking && p.Kind != Held }) {
			continue
		}
		for _, row := range withdrawn[role] {
			if !s.held[role].transactions[row.transaction] {
				ids = append(ids, row.id)
			}
		}
	}
	if len(ids) > 0 {
		records.Queue(shortenedSQL, ids)
		records.Queue(forgetWithdrawnSQL, ids, e.policy.FallbackOwner)
	}
}

// remember records which objects the names in use stand for.
func remember(records *pgx.Batch, objects map[Remembered]bool) {
	if len(objects) == 0 {
		return
	}
	var classes, oids []uint32
	var types, schemas, objectNames, signatures, columns []string
	var numbers []int16
	for r := range objects {
		o := r.Object
		classes, oids = append(classes, o.Class), append(oids, o.OID)
		types, schemas, objectNames = append(types, string(o.Type)), append(schemas, o.Schema), append(objectNames, o.Name)
		signatures, columns, numbers = append(signatures, o.Signature), append(columns, r.Column), append(numbers, r.ColumnNumber)
	}
	records.Queue(`
		insert into sync_roles.resolved_objects (class_oid, object_oid, object_type, schema_name, object_name, signature, column_number, column_name)
		select * from unnest($1::oid[], $2::oid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::smallint[], $8::text[])
		on conflict do nothing`, classes, oids, types, schemas, objectNames, signatures, numbers, columns)
}
