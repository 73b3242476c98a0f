package metrics

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"
)

var (
	//go:embed queue.sql
	queueSQL string
	//go:embed roles.sql
	rolesSQL string
)

// rolesFor is how long an answer about the roles is good for: it costs a look at each role's last audit row.
const rolesFor = 10 * time.Second

// poller polls the database over a connection of its own, so that neither waits for the other: not the scrape for a pass, and
// not a pass for the scrape.
type poller struct {
	open func(context.Context) (*pgx.Conn, error)
	log  zerolog.Logger
	turn chan struct{} // full while a scrape uses what follows

	conn    *pgx.Conn // nil: not open
	roles   map[string]int64
	rolesAt time.Time
	failing bool // and the log says so
}

func newPoller(open func(context.Context) (*pgx.Conn, error), log zerolog.Logger) poller {
	return poller{open: open, log: log, turn: make(chan struct{}, 1)}
}

// databaseState is the state of the queue and the roles of a database.
type databaseState struct {
	Pending       int64
	PendingOldest float64 // its age, in seconds
	Retries       int64
	Violations    int64
	roles         map[string]int64 // by status
}

// ask asks the database. It never takes longer than the context lasts.
func (p *poller) ask(ctx context.Context) (*databaseState, error) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for another scrape: %w", ctx.Err())
	}
	kept := p.conn != nil
	got, err := p.try(ctx)
	if err != nil && kept && ctx.Err() == nil {
		got, err = p.try(ctx) // the server may have been restarted since the last scrape
	}
	if err != nil && !p.failing && !errors.Is(ctx.Err(), context.Canceled) {
		p.log.Warn().Err(err).Msg("cannot ask the database for its metrics; said once, until it answers again")
		p.failing = true
	}
	if err == nil {
		p.failing = false
	}
	return got, err
}

// try asks over the connection that is open, or opens one. After an error none is.
func (p *poller) try(ctx context.Context) (got *databaseState, err error) {
	if p.conn == nil {
		if p.conn, err = p.open(ctx); err != nil {
			p.conn = nil
			return nil, err
		}
	}
	if got, err = p.query(ctx); err != nil {
		p.hangUp(ctx)
		return nil, err
	}
	return got, nil
}

func (p *poller) query(ctx context.Context) (*databaseState, error) {
	var got *databaseState
	roles := p.roles
	batch := &pgx.Batch{}
	batch.Queue(queueSQL).Query(func(rows pgx.Rows) (err error) {
		got, err = pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByName[databaseState])
		return err
	})
	fresh := roles == nil || time.Since(p.rolesAt) >= rolesFor
	if fresh {
		roles = map[string]int64{}
		batch.Queue(rolesSQL).Query(func(rows pgx.Rows) error {
			var status string
			var n int64
			_, err := pgx.ForEachRow(rows, []any{&status, &n}, func() error {
				roles[status] = n
				return nil
			})
			return err
		})
	}
	if err := p.conn.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("read the queue and the status of roles: %w", err)
	}
	if fresh {
		p.roles, p.rolesAt = roles, time.Now()
	}
	got.roles = roles
	return got, nil
}

// close closes the connection, if there is one. It waits for a scrape that is polling.
func (p *poller) close(ctx context.Context) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return
	}
	p.hangUp(ctx)
}

func (p *poller) hangUp(ctx context.Context) {
	if p.conn != nil {
		_ = p.conn.Close(ctx)
		p.conn = nil
	}
}
