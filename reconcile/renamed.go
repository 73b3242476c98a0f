package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// renamedObject is an object that bore another name when a row last resolved to it.
type renamedObject struct {
	Class, OID                      uint32
	ColumnNumber                    int16
	Type                            string
	Schema, Name, Signature, Column string
}

var (
	renamedSQL   = query("renamed")
	concernedSQL = query("concerned")
)

// renamed lists the remembered objects that no longer bear the name under which they are remembered, or are gone.
func (e *Engine) renamed(ctx context.Context) ([]renamedObject, error) {
	list, err := collect[renamedObject](ctx, e.conn, renamedSQL)
	if err != nil {
		return nil, fmt.Errorf("look for renamed objects: %w", err)
	}
	return list, nil
}

// forgetRenamed forgets what was renamed before all roles were looked at. A daemon does so a moment later, by which it knows schemas and types that are
// being swapped: see readUnsettled.
func (e *Engine) forgetRenamed(ctx context.Context, list []renamedObject, cause Cause) error {
	since := map[renamedObject]time.Time{}
	batch := &pgx.Batch{}
	for _, r := range list {
		first, seen := e.renamedSince[r]
		if !seen {
			first = time.Now()
		}
		if cause != Manual && time.Since(first) < 2*settling {
			since[r] = first
			continue
		}
		batch.Queue(`
			delete from sync_roles.resolved_objects
			where class_oid = $1 and object_oid = $2 and column_number = $3 and schema_name = $4 and object_name = $5 and signature = $6 and column_name = $7`,
			r.Class, r.OID, r.ColumnNumber, r.Schema, r.Name, r.Signature, r.Column)
	}
	e.renamedSince = since
	if batch.Len() == 0 {
		return nil
	}
	if err := e.conn.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("forget renamed objects: %w", err)
	}
	return nil
}

// lookAtRenamed looks at the roles with rows for names that objects have lost, and at nothing else of them: what a tool has swapped in is granted before
// everybody else is looked at.
func (e *Engine) lookAtRenamed(ctx context.Context, cause Cause, report *Report) error {
	list, err := e.renamed(ctx)
	if err != nil || len(list) == 0 {
		return err
	}
	var types, schemas, objects, signatures []string
	distinct := map[string]bool{}
	for _, r := range list {
		types, schemas = append(types, r.Type), append(schemas, r.Schema)
		objects, signatures = append(objects, r.Name), append(signatures, r.Signature)
		distinct[r.Name] = true
	}
	if few(keys(distinct)) == nil {
		return nil // as where a schema with many tables is renamed: the look at everybody is as good, and asking whom it concerns takes its time
	}
	type concerned struct{ Role, Name string }
	rows, err := collect[concerned](ctx, e.conn, concernedSQL, types, schemas, objects, signatures)
	if err != nil {
		return fmt.Errorf("look for the rows of renamed objects: %w", err)
	}
	roles, names := map[string]bool{}, map[string]bool{}
	for _, r := range rows {
		roles[r.Role], names[r.Name] = true, true
	}
	w := work{cause: cause, renamed: true, names: few(keys(names))}
	if w.names == nil {
		return nil // so many that the look at everybody is as good
	}
	for chunk := range slices.Chunk(keys(roles), batchSize) {
		seen, err := e.glance(ctx, chunk, w)
		if err != nil {
			return err
		}
		if len(seen.due) == 0 {
			continue
		}
		part := w
		part.roles, part.undeclared = seen.due, seen.undeclared
		if err := e.serve(ctx, part, report); err != nil {
			return err
		}
	}
	return nil
}
