package catalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// daemonSetting tells the event triggers that what this session does is no news to the daemon. A name of our own also shows whether the
// settings of a connection arrive.
const daemonSetting = "sync_roles.daemon"

// pinned are the settings by which SQL means the same in every session, whatever ALTER ROLE, ALTER DATABASE or the connection string set:
// they travel in the startup packet, so they hold before the first statement (process_startup_options in postinit.c).
//
// The search_path matters most. An overload with closer argument types in a schema that others can write to would win over PostgreSQL's
// own function and run with our rights, also where pg_catalog is searched first (the manual: "Writing SECURITY DEFINER Functions Safely").
var pinned = map[string]string{
	"search_path":                    "pg_catalog, pg_temp",
	"standard_conforming_strings":    "on",  // backslashes in literals
	"quote_all_identifiers":          "off", // what format_type and quote_ident return
	"transform_null_equals":          "off",
	"array_nulls":                    "on",
	"check_function_bodies":          "on",
	"DateStyle":                      "ISO",
	"IntervalStyle":                  "postgres",
	"default_transaction_isolation":  "read committed", // a pass must see what others commit meanwhile
	"default_transaction_deferrable": "off",
}

var errPooler = errors.New("between here and the server is a connection pooler (as PgBouncer in transaction mode) that drops the settings of a connection, and so gives it no session of its own, which LISTEN and locks need: connect to the server itself")

// Pin returns the configuration with the settings by which SQL means the same in every session.
func Pin(config *pgx.ConnConfig) *pgx.ConnConfig {
	config = config.Copy()
	maps.DeleteFunc(config.RuntimeParams, func(name, _ string) bool {
		for own := range pinned {
			if strings.EqualFold(name, own) {
				return true
			}
		}
		return false
	})
	maps.Copy(config.RuntimeParams, pinned)
	return config
}

// Connect opens a connection for work. A pooler that shares sessions is refused: what is done would seem to work, until it does not.
func Connect(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	config = Pin(config)
	config.RuntimeParams[daemonSetting] = "on"
	// Waiting is what a daemon does.
	config.RuntimeParams["idle_session_timeout"] = "0"
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "0"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	// By the simple protocol: what others have prepared in a shared session would be in the way.
	results, err := conn.PgConn().Exec(ctx, firstStatement(conn)).ReadAll()
	if err == nil && string(results[0].Rows[0][0]) != "t" {
		err = errPooler
	}
	if err == nil {
		err = cancelOnDisconnect(ctx, conn)
	}
	if err == nil {
		err = UseUTF8(ctx, conn)
	}
	if err != nil {
		_ = Close(ctx, conn)
		return nil, err
	}
	return conn, nil
}

// cancelOnDisconnect has the server end a statement whose client is gone, as after kill -9: it would work on, with all its locks, until it has something to
// send. Where the server's platform cannot tell, it refuses the setting, and is left as it is; so is what a DBA has set.
func cancelOnDisconnect(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.PgConn().Exec(ctx, `
		select pg_catalog.set_config('client_connection_check_interval', '2s', false)
		where pg_catalog.current_setting('client_connection_check_interval') operator(pg_catalog.=) '0'`).ReadAll()
	if errors.As(err, new(*pgconn.PgError)) && !conn.IsClosed() {
		return nil
	}
	return err
}

// firstStatement asks whether the settings have arrived, and makes those that older servers do not know and so cannot be in the startup packet.
func firstStatement(conn *pgx.Conn) string {
	sql := fmt.Sprintf("select pg_catalog.current_setting('%s', true) operator(pg_catalog.=) 'on' and pg_catalog.current_setting('search_path') operator(pg_catalog.=) '%s'",
		daemonSetting, pinned["search_path"])
	if majorVersion(conn) >= 16 {
		// Otherwise the daemon would inherit every role that it creates.
		sql += "; set createrole_self_grant = ''"
	}
	return sql
}

// majorVersion is what the server reported when the connection was made: of "16.4 (Debian …)" and of "19beta1" the digits in front.
func majorVersion(conn *pgx.Conn) int {
	version := conn.PgConn().ParameterStatus("server_version")
	if end := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		version = version[:end]
	}
	n, _ := strconv.Atoi(version) // 0, an old server, if it is no number
	return n
}
