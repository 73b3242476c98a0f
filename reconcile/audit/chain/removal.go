package chain

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// gone is a row of the audit that is about to be removed.
type gone struct {
	ID             int64
	At             time.Time
	Seq            *int64 // nil: from before the chain
	Previous, Hash []byte
	Intact         bool
}

// Removal is what a transaction removes from the audit, by its retention.
type Removal struct {
	rows []gone
	keep time.Duration
	now  time.Time // of the transaction
}

const goneSQL = `
SELECT a.id, CASE WHEN isfinite(a.at) THEN a.at ELSE to_timestamp(0) END, a.seq, a.previous_hash, a.hash, coalesce(a.hash = ` + RowHashSQL + `, false)
FROM sync_roles.audit AS a
WHERE a.id = ANY ($1)`

// Remove queues the reading of rows that are to be removed because they are older than they are kept. It comes after Open: until the commit, no
// other retention removes them.
func Remove(batch *pgx.Batch, ids []int64, keep time.Duration) *Removal {
	r := &Removal{keep: keep}
	batch.Queue("SELECT now()").QueryRow(func(row pgx.Row) error { return row.Scan(&r.now) })
	batch.Queue(goneSQL, ids).Query(func(rows pgx.Rows) (err error) {
		r.rows, err = pgx.CollectRows(rows, pgx.RowToStructByPos[gone])
		slices.SortFunc(r.rows, byPlace)
		return err
	})
	return r
}

// byPlace is the order of the chain. PostgreSQL would go through the whole audit in that order, to find the few.
func byPlace(a, b gone) int {
	place := func(g gone) int64 {
		if g.Seq == nil {
			return math.MaxInt64
		}
		return *g.Seq
	}
	return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a.ID, b.ID))
}

// run is places without a gap, as audit_removals.runs has them.
type run struct {
	first, last    int64
	previous, hash []byte
}

// runs are the places of the rows, which are in the order of the chain. It also counts the rows that do not fit their hash, or the one before them.
func runs(rows []gone) (list []run, changed int) {
	for _, g := range rows {
		if g.Seq == nil {
			continue
		}
		last := len(list) - 1
		adjoins := last >= 0 && list[last].last+1 == *g.Seq
		if !g.Intact || adjoins && !bytes.Equal(list[last].hash, g.Previous) {
			changed++
		}
		switch {
		case adjoins, last >= 0 && list[last].last == *g.Seq: // twice the same place is tampering, which the numbers of rows and places tell
			list[last].last, list[last].hash = *g.Seq, g.Hash
		default:
			list = append(list, run{*g.Seq, *g.Seq, g.Previous, g.Hash})
		}
	}
	return list, changed
}

// document is audit_removals.runs, as PostgreSQL writes it.
func document(list []run) string {
	texts := make([]string, len(list))
	for i, r := range list {
		texts[i] = fmt.Sprintf(`[%d, %d, "%x", "%x"]`, r.first, r.last, r.previous, r.hash)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

const removalSQL = `
INSERT INTO sync_roles.audit_removals (
    at, older_than, rows, rows_before, rows_changed, last_id, last_at, runs, instance, pass, seq, previous_hash, hash
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`

const removeSQL = `DELETE FROM sync_roles.audit WHERE id = ANY ($1)`

// Remove queues the record of a removal, which the trigger of sync_roles.audit insists on, and the removal. Rows that were tampered with go like
// the others, or the audit could never shrink again; that they were is recorded.
func (w *Writer) Remove(batch *pgx.Batch, r *Removal, instance string) {
	if len(r.rows) == 0 {
		return // another retention was quicker
	}
	places, changed := runs(r.rows)
	document := document(places)
	ids := make([]int64, len(r.rows))
	before, lastID, lastAt := 0, int64(0), r.rows[0].At
	for i, g := range r.rows {
		ids[i] = g.ID
		if g.Seq == nil {
			before++
		}
		lastID = max(lastID, g.ID)
		if g.At.After(lastAt) {
			lastAt = g.At
		}
	}
	olderThan := r.now.Add(-r.keep)

	seq, previous := w.next()
	a := w.buffer.begin("removal")
	a.number(seq)
	a.bytes(previous)
	a.at(w.At)
	a.at(olderThan)
	a.number(int64(len(ids)))
	a.number(int64(before))
	a.number(int64(changed))
	a.number(lastID)
	a.at(lastAt)
	a.raw(document)
	a.text(instance)
	a.text(w.Pass)
	w.place(a)

	batch.Queue(removalSQL, w.At, olderThan, len(ids), before, changed, lastID, lastAt, document, instance, w.Pass, seq, previous, w.hash)
	batch.Queue(removeSQL, ids)
}
