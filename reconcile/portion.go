package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/desired"
)

// All databases of a cluster wait for one lock, so no pass should hold it for longer than about a second. What a pass takes depends most on how many rows its
// roles have; and the more rows share a pass, the fewer statements they take, as roles that get the same on an object share one.

const (
	batchSize    = 1000   // roles that share a transaction at most. On PostgreSQL 16 and later each new role takes a lock.
	mostRows     = 50_000 // that the roles of a pass have together, but for one role that has more
	fewestRows   = 500
	rowsOfOthers = 5_000 // the same while passes of other databases wait
	longPass     = time.Second
	shortPass    = longPass / 4
	fairFor      = 10 * time.Second // how long a pass of another database, once seen to wait, is reckoned with
	awaitedAtAll = 100 * time.Millisecond
)

// portion is how much a pass takes at once.
type portion struct {
	rows    int64     // that the roles of a pass may have together; 0: mostRows
	awaited time.Time // when a pass of another database was last seen to wait for the lock
}

// limit is how many rows the roles of a pass may have together.
func (p *portion) limit() int64 {
	limit := p.rows
	if limit == 0 {
		limit = mostRows
	}
	if time.Since(p.awaited) < fairFor {
		limit = min(limit, rowsOfOthers)
	}
	return limit
}

// learn adapts the portion to how long a pass over several roles has held the lock.
func (p *portion) learn(roles int, took time.Duration) {
	limit := p.limit()
	switch {
	case roles < 2: // it cannot be divided
	case took > longPass:
		p.rows = max(fewestRows, int64(float64(limit)*float64(longPass)/float64(took)))
	case took < shortPass && p.rows != 0:
		p.rows = min(mostRows, 2*p.rows)
	}
}

const awaitedSQL = `
	select exists (
		select
		from pg_catalog.pg_locks as l
		join pg_catalog.pg_roles as r on r.oid = l.objid
		where l.locktype = 'object' and l.classid = 'pg_catalog.pg_authid'::regclass and not l.granted and r.rolname = '_pgsr_lock'
	)`

// lookAround notes whether another pass waits for the lock, before a long one over several roles gives it back.
func (p *portion) lookAround(ctx context.Context, tx pgx.Tx, roles int, took time.Duration) error {
	if roles < 2 || took < awaitedAtAll {
		return nil
	}
	var awaited bool
	if err := tx.QueryRow(ctx, awaitedSQL).Scan(&awaited); err != nil {
		return fmt.Errorf("look for passes that wait for the lock: %w", err)
	}
	if awaited {
		p.awaited = time.Now()
	}
	return nil
}

// portions divides roles among passes.
func (e *Engine) portions(ctx context.Context, roles []string) ([][]string, error) {
	switch len(roles) {
	case 0:
		return nil, nil
	case 1:
		return [][]string{roles}, nil
	}
	limit := e.portion.limit()
	counts, err := desired.CountRows(ctx, e.conn, roles, limit)
	if err != nil {
		return nil, err
	}
	var list [][]string
	first, rows := 0, int64(0)
	for i := range roles {
		if i > first && (rows >= limit || i-first == batchSize) {
			list = append(list, roles[first:i])
			first, rows = i, 0
		}
		rows += counts[i]
	}
	return append(list, roles[first:]), nil
}
