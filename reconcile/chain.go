package reconcile

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/chain"
)

// openChain queues what must come before the first place that a transaction writes. From here to the commit, other writers wait.
func (e *Engine) openChain(records *pgx.Batch) {
	// A pass hardly waits for locks on objects; whoever holds this one is about to commit.
	records.Queue("SET LOCAL lock_timeout = " + milliseconds(e.lockTimeout))
	records.Queue(chain.LockSQL)
	peekChain(records)
}

// peekChain is openChain for a transaction that is going to be rolled back, and must not keep others waiting.
func peekChain(records *pgx.Batch) {
	records.Queue(chain.ReadHeadSQL).QueryRow(func(row pgx.Row) error {
		err := row.Scan(new(string))
		if errors.Is(err, pgx.ErrNoRows) {
			return errors.New("sync_roles.audit_chain has no row, and so the audit cannot be continued: put the row back, see docs/audit.md")
		}
		return err
	})
}

// closeChain queues what must come after the last place that a transaction writes.
func closeChain(records *pgx.Batch, head *chain.Head) {
	records.Queue(chain.WriteHeadSQL).QueryRow(func(row pgx.Row) error {
		var text string
		if err := row.Scan(&text); err != nil {
			return err
		}
		var err error
		*head, err = chain.ParseHead(text)
		return err
	})
}

// written notes where the chain ended when this engine wrote last. It only ever grows: where it does not, somebody has removed its end.
func (e *Engine) written(head chain.Head, places int) {
	if head.Seq-int64(places) < e.head.Seq {
		e.log.Error().Stringer("audit_head", head).Stringer("earlier_audit_head", e.head).
			Msg("the audit's chain is shorter than this daemon left it: rows were removed from its end; see pg-sync-roles audit verify")
	}
	e.head = head
}

// LogHead writes the head to the log: whoever keeps the log elsewhere can prove with it what the audit held by then.
func (e *Engine) LogHead(ctx context.Context) error {
	head, err := chain.ReadHead(ctx, e.conn)
	if err != nil {
		return err
	}
	e.log.Info().Stringer("audit_head", head).Msg("head of the audit's chain")
	return nil
}
