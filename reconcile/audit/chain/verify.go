package chain

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Verification is what was found when the audit was verified.
type Verification struct {
	Intact     bool      `json:"intact"`
	BegunAt    time.Time `json:"begun_at"`
	RowsBefore int64     `json:"rows_before"` // written before the chain began, and still there: nothing is known about them
	Rows       int64     `json:"rows"`        // in the chain
	Removed    Removed   `json:"removed"`
	Head       Head      `json:"head"`
	Findings   []Finding `json:"findings"`
	More       int       `json:"more_findings"`

	before struct{ rows, lastID, removed int64 } // of the rows from before the chain: how many there were, up to which id, and how many have gone
}

// Removed is what the retention removed, by its own records.
type Removed struct {
	Records int64      `json:"records"`
	Rows    int64      `json:"rows"`
	LastAt  *time.Time `json:"last_at"`  // when the youngest of them was written
	Kept    *float64   `json:"kept_for"` // the shortest time that one was kept, in seconds

	places int64 // of the chain
}

// linksSQL reads rows and records of removals in the order of their places.
const linksSQL = `
DECLARE links NO SCROLL CURSOR FOR
SELECT l.seq, l.seq, l.id, coalesce(l.intact, false), coalesce(l.previous_hash, ''), coalesce(l.hash, ''), l.at, false
FROM (
    SELECT a.seq, a.id, a.hash = ` + RowHashSQL + ` AS intact, a.previous_hash, a.hash, CASE WHEN isfinite(a.at) THEN a.at ELSE 'epoch' END AS at
    FROM sync_roles.audit AS a
    WHERE a.seq IS NOT NULL
    UNION ALL
    SELECT r.seq, 0, r.hash = ` + RemovalHashSQL + `, r.previous_hash, r.hash, CASE WHEN isfinite(r.at) THEN r.at ELSE 'epoch' END
    FROM sync_roles.audit_removals AS r
) AS l
ORDER BY l.seq, l.id`

// runsSQL reads what removals account for. The records themselves are among the links.
const runsSQL = `
DECLARE runs NO SCROLL CURSOR FOR
SELECT (u.run ->> 0)::bigint AS first, (u.run ->> 1)::bigint AS last, 0, true, coalesce(decode(u.run ->> 2, 'hex'), ''),
    coalesce(decode(u.run ->> 3, 'hex'), ''), u.last_at, true
FROM (
    SELECT jsonb_array_elements(r.runs) AS run, CASE WHEN isfinite(r.last_at) THEN r.last_at ELSE 'epoch' END AS last_at
    FROM sync_roles.audit_removals AS r
    WHERE r.hash = ` + RemovalHashSQL + `
) AS u
ORDER BY first`

// Verify checks the audit against its chain. It reads all of it, so many rows at a time, and needs a transaction that sees one moment
// (REPEATABLE READ). It calls no function of the schema.
func Verify(ctx context.Context, tx pgx.Tx, noted []Head) (*Verification, error) {
	if err := checkChain(ctx, tx); err != nil {
		return nil, err
	}
	v := &Verification{}
	begin, err := readChain(ctx, tx, v)
	if err != nil {
		return nil, err
	}
	w := newWalk(begin, v.Head, noted)
	if err := walkChain(ctx, tx, w, v); err != nil {
		return nil, fmt.Errorf("read the audit: %w", err)
	}
	w.end()
	if err := readRemoved(ctx, tx, v, &w.findings); err != nil {
		return nil, fmt.Errorf("read what the retention removed: %w", err)
	}
	if err := readUnchained(ctx, tx, v, &w.findings); err != nil {
		return nil, fmt.Errorf("read the rows from before the chain: %w", err)
	}
	v.Findings, v.More = append([]Finding{}, w.list...), w.more
	v.Intact = len(v.Findings) == 0
	return v, nil
}

const chainTablesSQL = `
SELECT
    count(*) FILTER (WHERE c.relkind = 'r'),
    coalesce(array_agg(c.relname::text ORDER BY c.relname) FILTER (WHERE NOT has_table_privilege(c.oid, 'SELECT')), '{}'),
    quote_ident(current_user)
FROM pg_class AS c
WHERE c.oid IN (to_regclass('sync_roles.audit'), to_regclass('sync_roles.audit_removals'), to_regclass('sync_roles.audit_chain'))`

// checkChain says what is missing before PostgreSQL says so in fewer words.
func checkChain(ctx context.Context, tx pgx.Tx) error {
	var tables int
	var unreadable []string
	var me string
	switch err := tx.QueryRow(ctx, chainTablesSQL).Scan(&tables, &unreadable, &me); {
	case err != nil:
		return fmt.Errorf("look for the audit's tables: %w", err)
	case tables < 3:
		return errors.New("schema sync_roles has no audit chain, or has something else in place of its tables audit, audit_chain and audit_removals: run pg-sync-roles migrate with this version")
	case len(unreadable) > 0:
		return fmt.Errorf("role %s may not read sync_roles.%s; to allow it: GRANT SELECT ON sync_roles.audit, sync_roles.audit_chain, sync_roles.audit_removals TO %[1]s", me, strings.Join(unreadable, ", sync_roles."))
	}
	return nil
}

const chainSQL = `
SELECT c.begun_at, c.rows_before, c.id_before, c.begin_hash, c.begin_hash = ` + beginHashSQL + `, c.seq, encode(c.hash, 'hex')
FROM sync_roles.audit_chain AS c`

// readChain reads where the chain begins and ends.
func readChain(ctx context.Context, tx pgx.Tx, v *Verification) (begin link, err error) {
	err = tx.QueryRow(ctx, chainSQL).Scan(&begin.at, &v.before.rows, &v.before.lastID, &begin.hash, &begin.intact, &v.Head.Seq, &v.Head.Hash)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return begin, errors.New("sync_roles.audit_chain has no row: where the audit's chain begins and ends is not known any more")
	case err != nil:
		return begin, fmt.Errorf("read where the audit's chain begins and ends: %w", err)
	}
	v.BegunAt = begin.at
	return begin, nil
}

// linkStep is how many links are read at once.
const linkStep = 5000

// walkChain merges the links and the runs by their first places.
func walkChain(ctx context.Context, tx pgx.Tx, w *walk, v *Verification) error {
	for _, sql := range []string{linksSQL, runsSQL} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	links, runs := cursor{name: "links"}, cursor{name: "runs"}
	for {
		l, err := links.peek(ctx, tx)
		if err != nil {
			return err
		}
		r, err := runs.peek(ctx, tx)
		switch {
		case err != nil:
			return err
		case l == nil && r == nil:
			return nil
		case r == nil || l != nil && l.first <= r.first:
			if l.id != 0 {
				v.Rows++
			}
			w.add(*l)
			links.next++
		default:
			v.Removed.places += r.last - r.first + 1
			w.add(*r)
			runs.next++
		}
	}
}

// cursor reads links of one of PostgreSQL's cursors.
type cursor struct {
	name string
	read []link
	next int
	done bool
}

// peek returns the next link, or nil after the last one.
func (c *cursor) peek(ctx context.Context, tx pgx.Tx) (*link, error) {
	if c.next == len(c.read) && !c.done {
		rows, err := tx.Query(ctx, "FETCH "+strconv.Itoa(linkStep)+" FROM "+c.name)
		if err != nil {
			return nil, err
		}
		c.next = 0
		c.read, err = pgx.AppendRows(c.read[:0], rows, func(row pgx.CollectableRow) (l link, err error) {
			err = row.Scan(&l.first, &l.last, &l.id, &l.intact, &l.previous, &l.hash, &l.at, &l.run)
			return l, err
		})
		if err != nil {
			return nil, err
		}
		c.done = len(c.read) < linkStep
	}
	if c.next == len(c.read) {
		return nil, nil //nolint:nilnil // there is none, and that is no error
	}
	return &c.read[c.next], nil
}

const removedSQL = `
SELECT count(*), coalesce(sum(r.rows), 0)::bigint, coalesce(sum(r.rows_before), 0)::bigint, coalesce(sum(r.rows_changed), 0)::bigint,
    max(r.last_at), min(extract(epoch FROM r.at - r.last_at))::double precision
FROM sync_roles.audit_removals AS r
WHERE isfinite(r.at) AND isfinite(r.last_at)`

// readRemoved sums up the records of removals.
func readRemoved(ctx context.Context, tx pgx.Tx, v *Verification, f *findings) error {
	var changed int64
	r := &v.Removed
	if err := tx.QueryRow(ctx, removedSQL).Scan(&r.Records, &r.Rows, &v.before.removed, &changed, &r.LastAt, &r.Kept); err != nil {
		return err
	}
	if changed > 0 {
		f.add(Finding{Kind: Changed, Reason: fmt.Sprintf("%d rows were not as they had been written when the retention removed them (sync_roles.audit_removals.rows_changed)", changed)})
	}
	if chained := r.Rows - v.before.removed; chained != r.places {
		f.add(Finding{Kind: Changed, Reason: fmt.Sprintf("the retention removed %d rows of the chain, but accounts for %d places: rows were inserted or missing when it did", chained, r.places)})
	}
	return nil
}

const unchainedSQL = `
SELECT count(*) FILTER (WHERE a.id <= $1), count(*) FILTER (WHERE a.id > $1), coalesce(min(a.id) FILTER (WHERE a.id > $1), 0)
FROM sync_roles.audit AS a
WHERE a.seq IS NULL`

// readUnchained counts the rows that have no place in the chain: those from before it, and no others.
func readUnchained(ctx context.Context, tx pgx.Tx, v *Verification, f *findings) error {
	var strays, first int64
	if err := tx.QueryRow(ctx, unchainedSQL, v.before.lastID).Scan(&v.RowsBefore, &strays, &first); err != nil {
		return err
	}
	if strays > 0 {
		f.add(Finding{Kind: Inserted, ID: first, Reason: fmt.Sprintf("%d rows have no place in the chain, and are not from before it; this is the first", strays)})
	}
	switch expected := v.before.rows - v.before.removed; {
	case v.RowsBefore < expected:
		f.add(Finding{Kind: Missing, Reason: fmt.Sprintf("%d rows from before the chain are not there, and no removal accounts for them", expected-v.RowsBefore)})
	case v.RowsBefore > expected:
		f.add(Finding{Kind: Inserted, Reason: fmt.Sprintf("there are %d rows from before the chain more than there can be", v.RowsBefore-expected)})
	}
	return nil
}
