package reconcile

import (
	"context"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/desired"
)

// All databases of a cluster wait for one lock. Where another has an engine, no pass should hold it for longer than a moment: one row there waits for that.
// Elsewhere it may be seconds: the more rows share a pass, the fewer statements they take, as roles that get the same on an object share one, and PostgreSQL
// writes an object's whole ACL each time.

const batchSize = 1000 // roles that share a transaction at most. On PostgreSQL 16 and later each new role takes a lock.

// limits are those of one pass over several roles.
type limits struct {
	rows int64         // that its roles may have together
	long time.Duration // for which it should hold the lock at most
}

var (
	besideOthers = limits{5_000, 200 * time.Millisecond} // where other databases of the cluster have engines
	byItself     = limits{125_000, 3 * time.Second}      // where none has
)

// A pass writes the whole ACL of each object, however few roles it adds. So smaller portions make a load of much the same objects longer, and each pass hardly
// shorter: below a part of the widest limit, nothing is gained.
const fewestPart = 5

const aloneFor = 10 * time.Second // how long what was seen of other engines is reckoned with

// portion is how much a pass takes at once.
type portion struct {
	rows   int64     // that the roles of a pass may have together; 0: as many as most says
	looked time.Time // when other databases' engines were last looked for
	alone  bool      // there was none
}

// most are the widest limits.
func (p *portion) most() limits {
	if p.alone && time.Since(p.looked) < aloneFor {
		return byItself
	}
	return besideOthers
}

// limits are those of the next pass.
func (p *portion) limits() limits {
	l := p.most()
	if p.rows != 0 {
		l.rows = min(l.rows, p.rows)
	}
	return l
}

// learn adapts the portion to how long a pass over several roles has held the lock.
func (p *portion) learn(l limits, roles int, took time.Duration) {
	switch {
	case roles < 2: // it cannot be divided
	case took > l.long:
		p.rows = max(p.most().rows/fewestPart, int64(float64(l.rows)*float64(l.long)/float64(took)))
	case took < l.long/4:
		if p.rows *= 2; p.rows >= p.most().rows {
			p.rows = 0
		}
	}
}

// aloneSQL asks whether no other database has an engine. Whoever may not see what other sessions do still sees their databases and names.
const aloneSQL = `
	select not exists (
		select
		from pg_catalog.pg_stat_activity as a
		where a.application_name = 'pg-sync-roles' and a.datname <> current_database()
	)`

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

// portions divides roles among passes.
func (e *Engine) portions(ctx context.Context, roles []string) ([][]string, error) {
	switch len(roles) {
	case 0:
		return nil, nil
	case 1:
		return [][]string{roles}, nil
	}
	e.portion.lookForOthers(ctx, e.conn)
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
