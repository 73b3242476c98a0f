package catalog

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// closeWait is for how long at most the end of a session is waited for. (pgx gives up after 15 s.)
const closeWait = 20 * time.Second

// Close ends a connection, and returns when the server has ended the session, or the context ends; one that has ended already, which is why the
// connection is closed, does not count. Where a context ended in the middle of a statement, pgx asks the server to cancel it, but does not wait for
// that: a process that exits first leaves a backend at work, with all its locks, for as long as the statement takes.
func Close(ctx context.Context, conn *pgx.Conn) error {
	if ctx.Err() != nil {
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, closeWait)
	defer cancel()
	err := conn.Close(ctx)
	select {
	case <-conn.PgConn().CleanupDone():
	case <-ctx.Done():
	}
	return err
}
