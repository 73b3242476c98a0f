package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/chain"
)

// removalSQL records what removeSQL is about to remove: the trigger of sync_roles.audit insists on it. Rows that were tampered with are
// removed like the others, or nobody could ever get rid of them; that they were is recorded.
const removalSQL = `
WITH gone AS (
    SELECT a.id, a.at, a.seq, a.previous_hash, a.hash, a.seq - dense_rank() OVER (ORDER BY a.seq) AS run,
        a.hash IS NOT DISTINCT FROM ` + chain.RowHashSQL + `
        AND (lag(a.seq) OVER w IS DISTINCT FROM a.seq - 1 OR lag(a.hash) OVER w IS NOT DISTINCT FROM a.previous_hash) AS intact
    FROM sync_roles.audit AS a
    WHERE a.id = ANY ($1)
    WINDOW w AS (ORDER BY a.seq, a.id)
),
runs AS (
    SELECT min(g.seq) AS first, max(g.seq) AS last, (array_agg(encode(g.previous_hash, 'hex') ORDER BY g.seq, g.id))[1] AS previous_hash,
        (array_agg(encode(g.hash, 'hex') ORDER BY g.seq DESC, g.id DESC))[1] AS hash
    FROM gone AS g
    WHERE g.seq IS NOT NULL
    GROUP BY g.run
)
INSERT INTO sync_roles.audit_removals (
    seq, previous_hash, hash, at, older_than, rows, rows_before, rows_changed, last_id, last_at, runs, instance, pass
)
SELECT r.seq, r.previous_hash, ` + chain.RemovalHashSQL + `, r.at, r.older_than, r.rows, r.rows_before, r.rows_changed, r.last_id, r.last_at, r.runs,
    r.instance, r.pass
FROM (
    SELECT clock_timestamp() AS at, now() - $2::interval AS older_than, count(*) AS rows, count(*) FILTER (WHERE g.seq IS NULL) AS rows_before,
        count(*) FILTER (WHERE g.seq IS NOT NULL AND NOT g.intact) AS rows_changed, max(g.id) AS last_id, max(g.at) AS last_at,
        coalesce((SELECT jsonb_agg(jsonb_build_array(u.first, u.last, u.previous_hash, u.hash) ORDER BY u.first) FROM runs AS u), '[]') AS runs,
        $3::text AS instance, pg_current_xact_id() AS pass,
        ` + chain.NextPlaceSQL + `
    FROM gone AS g
    HAVING count(*) > 0
) AS r
` + chain.PlacedSQL

const removeSQL = `DELETE FROM sync_roles.audit WHERE id = ANY ($1)`

// remove deletes rows of the audit, and puts in their place a record of that.
func (e *Engine) remove(ctx context.Context, tx pgx.Tx, ids []int64, keep time.Duration) error {
	records := &pgx.Batch{}
	e.openChain(records) // another daemon's retention may have removed the same rows meanwhile, but does not from here on
	records.Queue(removalSQL, ids, keep, e.instance)
	records.Queue(removeSQL, ids)
	closeChain(records, new(chain.Head))
	if err := tx.SendBatch(ctx, records).Close(); err != nil {
		return fmt.Errorf("remove %d rows: %w", len(ids), err)
	}
	return nil
}
