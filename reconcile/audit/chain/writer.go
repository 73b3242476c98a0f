package chain

import (
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Writer writes to the chain in a transaction, once the batch that opened it has run.
type Writer struct {
	At   time.Time // when what is written was written
	Pass string    // the transaction

	seq       int64
	hash      []byte
	ids       []int64
	documents []string
	buffer    array
}

// openSQL draws the rows' ids, in order, and returns documents as PostgreSQL would write them. The lock is in a subquery: what is volatile outside of
// it comes after it.
const openSQL = `
SELECT c.seq, c.hash, clock_timestamp(), pg_current_xact_id()::text,
    ARRAY(SELECT nextval('sync_roles.audit_id_seq') FROM generate_series(1, $1::integer)),
    ARRAY(SELECT d.document::jsonb::text FROM unnest($2::text[]) WITH ORDINALITY AS d (document, n) ORDER BY d.n)
FROM (SELECT c.seq, c.hash FROM sync_roles.audit_chain AS c FOR UPDATE) AS c`

// rehearseSQL is openSQL without the lock.
var rehearseSQL = strings.Replace(openSQL, " FOR UPDATE", "", 1)

// closeSQL also notifies, in the same statement: most passes are about one role, and each statement counts.
const closeSQL = `
UPDATE sync_roles.audit_chain SET seq = $1, hash = $2
RETURNING (SELECT count(pg_notify($3, e.payload)) FROM unnest($4::text[]) AS e (payload))`

// Open queues what lets the transaction write so many rows, with these JSON documents. All other locks that it takes must come before. It waits for
// the transaction that is writing now no longer than wait.
func Open(batch *pgx.Batch, wait time.Duration, rows int, documents []string) *Writer {
	batch.Queue("SET LOCAL lock_timeout = " + strconv.FormatInt(wait.Milliseconds(), 10))
	return open(batch, openSQL, rows, documents)
}

// Rehearse is Open for a transaction that is going to be rolled back: it keeps no other session waiting.
func Rehearse(batch *pgx.Batch, rows int, documents []string) *Writer {
	return open(batch, rehearseSQL, rows, documents)
}

func open(batch *pgx.Batch, sql string, rows int, documents []string) *Writer {
	w := &Writer{}
	batch.Queue(sql, rows, documents).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&w.seq, &w.hash, &w.At, &w.Pass, &w.ids, &w.documents)
		if errors.Is(err, pgx.ErrNoRows) {
			return errors.New("sync_roles.audit_chain has no row, and so the audit cannot be continued: put the row back, see docs/audit.md")
		}
		return err
	})
	return w
}

// next takes the next place.
func (w *Writer) next() (seq int64, previous []byte) {
	w.seq++
	return w.seq, w.hash
}

// place hashes what stands at the next place, for which the array has all columns.
func (w *Writer) place(a array) {
	w.hash, w.buffer = a.hash(), a
}

// Close queues what makes the last place the end of the chain, and notifies the channel, if there is something to say.
func (w *Writer) Close(batch *pgx.Batch, channel string, payloads []string) {
	batch.Queue(closeSQL, w.seq, w.hash, channel, payloads)
}

// Head is the last place that was written.
func (w *Writer) Head() Head { return Head{w.seq, hex.EncodeToString(w.hash)} }
