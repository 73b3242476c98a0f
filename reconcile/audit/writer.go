package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit/chain"
)

// Writer writes to the audit.
type Writer struct {
	LockTimeout time.Duration
}

// Write runs the records, and then writes the rows, into which it puts the pass. They come last: until the commit, no other session writes to the audit. A
// rehearsal is rolled back, and must keep no other session waiting.
func (w Writer) Write(ctx context.Context, tx pgx.Tx, records *pgx.Batch, rows []Row, rehearsal bool) (head chain.Head, err error) {
	if len(rows) == 0 {
		return head, tx.SendBatch(ctx, records).Close()
	}
	problems, err := documents(rows)
	if err != nil {
		return head, err
	}
	var c *chain.Writer
	if rehearsal {
		c = chain.Rehearse(records, len(rows), problems)
	} else {
		c = chain.Open(records, w.LockTimeout, len(rows), problems)
	}
	if err := tx.SendBatch(ctx, records).Close(); err != nil {
		return head, err
	}
	batch := &pgx.Batch{}
	var said events
	for i := range rows {
		r := &rows[i]
		r.Pass = c.Pass
		id := c.Row(batch, chain.Row{
			Role: r.Role, Cause: string(r.Cause), Outcome: string(r.Outcome), Granted: r.Granted, Revoked: r.Revoked, Statements: r.Statements,
			SQLState: r.SQLState, Error: r.Error, RequestedBy: r.RequestedBy, Attempt: r.Attempt, Duration: r.Duration, Instance: r.Instance,
		})
		said.add(id, *r)
	}
	if !rehearsal {
		payloads, err := said.payloads()
		if err != nil {
			return head, err
		}
		c.Close(batch, EventChannel, payloads)
	}
	return c.Head(), tx.SendBatch(ctx, batch).Close()
}

// WriteOne writes one row by itself, and puts the pass into it.
func (w Writer) WriteOne(ctx context.Context, tx pgx.Tx, row *Row) error {
	rows := []Row{*row}
	if _, err := w.Write(ctx, tx, &pgx.Batch{}, rows, false); err != nil {
		return fmt.Errorf("write audit: %w", err)
	}
	row.Pass = rows[0].Pass
	return nil
}

// documents are the problems of each row, in JSON.
func documents(rows []Row) ([]string, error) {
	list := make([]string, len(rows))
	for i, r := range rows {
		text, err := json.Marshal(r.Problems)
		if err != nil {
			return nil, fmt.Errorf("write problems of role %q: %w", r.Role, err)
		}
		list[i] = string(text)
	}
	return list, nil
}
