package chain

import (
	"time"

	"github.com/jackc/pgx/v5"
)

// Row is a row of sync_roles.audit, without what its place in the chain and its time of writing add. Texts that are empty are NULL where the column
// allows it.
type Row struct {
	Role, Cause, Outcome string
	Granted, Revoked     int
	Statements           []string
	SQLState, Error      string
	RequestedBy          []string
	Attempt              int
	Duration             time.Duration
	Instance             string
}

const rowSQL = `
INSERT INTO sync_roles.audit (
    id, at, role_name, cause, outcome, granted, revoked, statements, problems, sqlstate, error, requested_by, attempt, duration, instance, pass,
    seq, previous_hash, hash
) OVERRIDING SYSTEM VALUE
VALUES ($1, $2, nullif($3, ''), $4, $5, $6, $7, $8, $9, nullif($10, ''), nullif($11, ''), $12, $13, $14, $15, $16, $17, $18, $19)`

// Row queues a row of the audit, and returns its id. Its problems are the next of the documents that the chain was opened with.
func (w *Writer) Row(batch *pgx.Batch, r Row) (id int64) {
	seq, previous := w.next()
	id, problems := w.ids[0], w.documents[0]
	w.ids, w.documents = w.ids[1:], w.documents[1:]

	a := w.buffer.begin("audit")
	a.number(seq)
	a.bytes(previous)
	a.number(id)
	a.at(w.At)
	a.optional(r.Role)
	a.text(r.Cause)
	a.text(r.Outcome)
	a.number(int64(r.Granted))
	a.number(int64(r.Revoked))
	a.texts(r.Statements)
	a.raw(problems)
	a.optional(r.SQLState)
	a.optional(r.Error)
	a.texts(r.RequestedBy)
	a.number(int64(r.Attempt))
	a.duration(r.Duration)
	a.text(r.Instance)
	a.text(w.Pass)
	w.place(a)

	batch.Queue(rowSQL, id, w.At, r.Role, r.Cause, r.Outcome, r.Granted, r.Revoked, r.Statements, problems, r.SQLState, r.Error, r.RequestedBy,
		r.Attempt, r.Duration, r.Instance, w.Pass, seq, previous, w.hash)
	return id
}
