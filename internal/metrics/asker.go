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

// asker asks the database over a connection of its own, so that neither waits for the other: not the scrape for a pass, and
// not a pass for the scrape.
type asker struct {
	open func(context.Context) (*pgx.Conn, error)
	log  zerolog.Logger
	turn chan struct{} // full while somebody uses what follows

	conn    *pgx.Conn // nil: not open
	roles   map[string]int64
	rolesAt time.Time
	failing bool // and the log says so
}

func newAsker(open func(context.Context) (*pgx.Conn, error), log zerolog.Logger) asker {
	return asker{open: open, log: log, turn: make(chan struct{}, 1)}
}

// answer is what the database says.
type answer struct {
	Pending       int64
	PendingOldest float64 // its age, in seconds
	Retries       int64
	roles         map[string]int64 // by status
}

// ask asks the database. It never takes longer than the context lasts.
func (a *asker) ask(ctx context.Context) (*answer, error) {
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for another scrape: %w", ctx.Err())
	}
	kept := a.conn != nil
	got, err := a.try(ctx)
	if err != nil && kept && ctx.Err() == nil {
		got, err = a.try(ctx) // the server may have been restarted since the last scrape
	}
	if err != nil && !a.failing && !errors.Is(ctx.Err(), context.Canceled) {
		a.log.Warn().Err(err).Msg("cannot ask the database for its metrics; said once, until it answers again")
		a.failing = true
	}
	if err == nil {
		a.failing = false
	}
	return got, err
}

// try asks over the connection that is open, or opens one. After an error none is.
func (a *asker) try(ctx context.Context) (got *answer, err error) {
	if a.conn == nil {
		if a.conn, err = a.open(ctx); err != nil {
			a.conn = nil
			return nil, err
		}
	}
	if got, err = a.query(ctx); err != nil {
		a.hangUp(ctx)
		return nil, err
	}
	return got, nil
}

func (a *asker) query(ctx context.Context) (*answer, error) {
	var got *answer
	roles := a.roles
	batch := &pgx.Batch{}
	batch.Queue(queueSQL).Query(func(rows pgx.Rows) (err error) {
		got, err = pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByName[answer])
		return err
	})
	fresh := roles == nil || time.Since(a.rolesAt) >= rolesFor
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
	if err := a.conn.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("read the queue and how roles are: %w", err)
	}
	if fresh {
		a.roles, a.rolesAt = roles, time.Now()
	}
	got.roles = roles
	return got, nil
}

// close closes the connection, if there is one. Somebody who asks is waited for.
func (a *asker) close(ctx context.Context) {
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return
	}
	a.hangUp(ctx)
}

func (a *asker) hangUp(ctx context.Context) {
	if a.conn != nil {
		_ = a.conn.Close(ctx)
		a.conn = nil
	}
}
