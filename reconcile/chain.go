package reconcile

import (
	"context"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/chain"
)

// written notes where the chain ended when this engine wrote last. It only ever grows: where it does not, rows were removed from its end.
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
