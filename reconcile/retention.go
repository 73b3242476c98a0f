package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

var retentionSQL = query("retention")

const rescansRetentionSQL = `
	delete from sync_roles.rescans
	where id in (select r.id from sync_roles.rescans as r where r.at < now() - $1::interval order by r.id limit $2)`

// A claim that is locked is of a row that is being written.
const claimsRetentionSQL = `
	delete from sync_roles.ownership_claims
	where (object_type, object_name, schema_name) in (
		select c.object_type, c.object_name, c.schema_name
		from sync_roles.ownership_claims as c
		where not exists (
			select from sync_roles.desired_grants as g
			where g.privilege = 'OWNER' and g.object_type = c.object_type and g.object_name = c.object_name and coalesce(g.schema_name, '') = c.schema_name)
		limit $1
		for update skip locked)`

// Rows are deleted so many in a transaction, and so many transactions in a call, so that nobody waits for it.
const (
	retentionStep  = 1000
	retentionSteps = 10
)

// Retain deletes what the audit and the rescans have that is older than that, and of no use for how roles are. It reports whether there may be
// more.
func (e *Engine) Retain(ctx context.Context, keep time.Duration) (more bool, err error) {
	for range retentionSteps {
		if more, err = e.retain(ctx, keep); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

func (e *Engine) retain(ctx context.Context, keep time.Duration) (more bool, err error) {
	err = pgx.BeginFunc(ctx, e.conn, func(tx pgx.Tx) error {
		// The triggers that keep the audit append-only ask for this.
		if _, err := tx.Exec(ctx, "set local sync_roles.retention = on"); err != nil {
			return err
		}
		for _, sql := range []string{retentionSQL, rescansRetentionSQL} {
			tag, err := tx.Exec(ctx, sql, keep, retentionStep)
			if err != nil {
				return err
			}
			more = more || tag.RowsAffected() == retentionStep
		}
		_, err := tx.Exec(ctx, claimsRetentionSQL, retentionStep)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("delete what the audit has kept for more than %s: %w", keep, err)
	}
	return more, nil
}
