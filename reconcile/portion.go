package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/desired"
)

// All databases of a cluster wait for one lock, so no pass should hold it for longer than about a second. Where no other database has an engine, it may be
// three. What a pass takes depends most on how many rows its roles have; and the more rows share a pass, the fewer
// statements they take, as roles that get the same on an object share one: PostgreSQL writes an object's whole ACL each time.

const (
	batchSize    = 1000   // roles that share a transaction at most. On PostgreSQL 16 and later each new role takes a lock.
	mostRows     = 50_000 // that the roles of a pass have together, but for one role that has more
	fewestRows   = 500
	rowsOfOthers = 5_000   // mostRows while passes of other databases wait
	rowsAlone    = 125_000 // mostRows while no other database has an engine
	longPass     = time.Second
	longAlone    = 3 * time.Second  // longPass while no other database has an engine
	fairFor      = 10 * time.Second // how long what was seen of other databases is reckoned with
	awaitedAtAll = 100 * time.Millisecond
	manyRoles    = 50 // for which it is worth a question whether there are other engines
)

// portion is how much a pass takes at once.
type portion struct {
	rows    int64     // that the roles of a pass may have together; 0: as many as most says
	awaited time.Time // when a pass of another database was last seen to wait for the lock
	looked  time.Time // when other databases' engines were last looked for
	alone   bool      // there was none
}

// most is how many rows, and for how long a pass may hold the lock.
func (p *portion) most() (rows int64, long time.Duration) {
	if p.alone && time.Since(p.looked) < fairFor {
		return rowsAlone, longAlone
	}
	return mostRows, longPass
}

// limits are those of one pass.
type limits struct {
	rows int64         // that its roles may have together
	long time.Duration // for which it should hold the lock at most
}

// limits are those of the next pass.
func (p *portion) limits() limits {
	var l limits
	l.rows, l.long = p.most()
	if p.rows != 0 {
		l.rows = min(l.rows, p.rows)
	}
	if time.Since(p.awaited) < fairFor {
		l.rows, l.long = min(l.rows, rowsOfOthers), longPass
	}
	return l
}

// learn adapts the portion to how long a pass over several roles has held the lock.
func (p *portion) learn(l limits, roles int, took time.Duration) {
	most, _ := p.most()
	switch {
	case roles < 2: // it cannot be divided
	case took > l.long:
		p.rows = max(fewestRows, int64(float64(l.rows)*float64(l.long)/float64(took)))
	case took < l.long/4:
		if p.rows *= 2; p.rows >= most {
			p.rows = 0
		}
	}
}

const (
	awaitedSQL = `
		select exists (
			select
			from pg_catalog.pg_locks as l
			join pg_catalog.pg_roles as r on r.oid = l.objid
			where l.locktype = 'object' and l.classid = 'pg_catalog.pg_authid'::regclass and not l.granted and r.rolname = '_pgsr_lock'
		)`
	// Whoever may not see what other sessions do still sees their databases and names.
	aloneSQL = `
		select not exists (
			select
			from pg_catalog.pg_stat_activity as a
			where a.application_name = 'pg-sync-roles' and a.datname <> current_database()
		)`
)

// lookForOthers notes whether another database of the cluster has an engine. Where the view may not be read, there may be one. So it must not be in a
// transaction, which would end by that.
func (p *portion) lookForOthers(ctx context.Context, q catalog.Querier) {
	if time.Since(p.looked) < time.Second {
		return
	}
	p.looked = time.Now()
	if err := q.QueryRow(ctx, aloneSQL).Scan(&p.alone); err != nil {
		p.alone = false
	}
}

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
	if len(roles) >= manyRoles {
		e.portion.lookForOthers(ctx, e.conn)
	}
	limit := e.portion.limits().rows
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
