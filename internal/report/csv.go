package report

import (
	"context"
	"encoding/csv"
	"io"
	"strconv"

	"github.com/pg-sync-roles/pg-sync-roles/desired/rowfile"
)

var csvColumns = []string{
	"as_of", "role", "managed", "privilege", "object_type", "schema", "object", "column", "grantable", "effective", "path", "means", "by_set_role",
	"intermediate_role", "through", "objects", "grantors", "held_since", "since_is_exact", "asked",
	"row_id", "row_role", "row_privilege", "row_selector", "asked_by", "last_written_by", "why", "source", "asked_at", "expires_at",
}

// CSV writes the accesses as a table: one line for each, and for each row of desired_grants that asks for it.
func (r *Reader) CSV(ctx context.Context, w io.Writer) error {
	g, err := r.readGraph(ctx)
	if err != nil {
		return err
	}
	records := csv.NewWriter(w)
	if err := records.Write(csvColumns); err != nil {
		return err //nolint:wrapcheck // of the writer
	}
	err = r.accesses(ctx, g, func(a Access) error {
		fields := []string{
			r.Report.AsOf.String(), a.Role, strconv.FormatBool(a.Managed), a.Privilege, a.ObjectType, a.Schema, a.Object, a.Column,
			strconv.FormatBool(a.Grantable), a.Effective, a.PathText(), a.Means, strconv.FormatBool(a.BySetRole), a.Via, a.Through,
			strconv.FormatInt(a.Objects, 10), a.Grantors, a.Since.String(), strconv.FormatBool(a.Exact),
			strconv.FormatBool(a.Asked),
		}
		rows := a.Rows
		if len(rows) == 0 {
			rows = []Row{{}}
		}
		for _, row := range rows {
			if err := records.Write(guarded(append(fields[:len(fields):len(fields)], row.fields()...))); err != nil {
				return err //nolint:wrapcheck // of the writer
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	records.Flush()
	return records.Error() //nolint:wrapcheck // of the writer
}

func (row Row) fields() []string {
	id := ""
	if row.ID != 0 {
		id = strconv.FormatInt(row.ID, 10)
	}
	return []string{
		id, row.Role, row.Privilege, row.Selector, row.AskedBy, row.WrittenBy, row.Note, row.Source, row.AskedAt.String(), row.ExpiresAt.String(),
	}
}

// guarded are cells that no spreadsheet takes for formulas.
func guarded(cells []string) []string {
	for i, cell := range cells {
		cells[i] = rowfile.Guard(cell)
	}
	return cells
}
