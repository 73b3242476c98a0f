package catalog

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// daemonSetting tells the event triggers that what this session does is no news to the daemon. A name of our own also shows whether the
// settings of a connection arrive.
const daemonSetting = "sync_roles.daemon"

var errPooler = errors.New("between here and the server is a connection pooler (as PgBouncer in transaction mode) that drops the settings of a connection, and so gives it no session of its own, which LISTEN and locks need: connect to the server itself")

// Connect opens a connection for work. A pooler that shares sessions is refused: what is done would seem to work, until it does not.
func Connect(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	config = config.Copy()
	config.RuntimeParams[daemonSetting] = "on"
	// Waiting is what a daemon does.
	config.RuntimeParams["idle_session_timeout"] = "0"
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "0"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	// By the simple protocol: what others have prepared in a shared session would be in the way.
	results, err := conn.PgConn().Exec(ctx, "select pg_catalog.current_setting('"+daemonSetting+"', true) = 'on'").ReadAll()
	if err == nil && string(results[0].Rows[0][0]) != "t" {
		err = errPooler
	}
	if err != nil {
		_ = conn.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return conn, nil
}
