package reconcile

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// renamedObject is an object that bore another name when a row last resolved to it.
type renamedObject struct {
	Class, OID   uint32
	Schema, Name string
}

var renamedSQL = query("renamed")

// renamed lists the remembered objects that no longer bear the name under which they are remembered, or are gone.
func (e *Engine) renamed(ctx context.Context) ([]renamedObject, error) {
	list, err := collect[renamedObject](ctx, e.conn, renamedSQL)
	if err != nil {
		return nil, fmt.Errorf("look for renamed objects: %w", err)
	}
	return list, nil
}

// forgetRenamed forgets what was renamed before all roles were looked at.
func (e *Engine) forgetRenamed(ctx context.Context, list []renamedObject) error {
	if len(list) == 0 {
		return nil
	}
	batch := &pgx.Batch{}
	for _, r := range list {
		batch.Queue("delete from sync_roles.resolved_objects where class_oid = $1 and object_oid = $2 and schema_name = $3 and object_name = $4", r.Class, r.OID, r.Schema, r.Name)
	}
	if err := e.conn.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("forget renamed objects: %w", err)
	}
	return nil
}
