package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// connection is how to reach the database.
type connection struct{ url string }

func (c *connection) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&c.url, "database-url", "d", "", "connection URL or keyword/value string (default: libpq's environment)")
}

func (c *connection) config() (*pgx.ConnConfig, error) { return parseURL(c.url) }

// open connects to a database that has the schema. Names without a schema are PostgreSQL's own, whatever search_path the user has, and nobody waits
// for long.
func (c *connection) open(ctx context.Context) (*pgx.Conn, error) {
	config, err := c.config()
	if err != nil {
		return nil, err
	}
	params := config.RuntimeParams
	params["search_path"] = "pg_catalog, pg_temp"
	params["lock_timeout"] = "5s"
	params["statement_timeout"] = "60s"
	params["jit"] = "off" // to compile the query of grant_status takes longer than to run it
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, explained(err)
	}
	var installed, usage bool
	var user string
	err = conn.QueryRow(ctx, `
		select n.oid is not null and exists (select from pg_catalog.pg_class as c where c.relnamespace = n.oid and c.relname = 'role_status'),
			coalesce(has_schema_privilege(n.oid, 'USAGE'), false), current_user
		from (values (to_regnamespace('sync_roles')::oid)) as n (oid)`).Scan(&installed, &usage, &user)
	switch {
	case err != nil:
		err = fmt.Errorf("look for schema sync_roles: %w", err)
	case !installed:
		err = fmt.Errorf("database %q has no schema sync_roles: run pg-sync-roles migrate", config.Database)
	case !usage:
		err = fmt.Errorf("role %q may not look into schema sync_roles. To allow it: GRANT USAGE ON SCHEMA sync_roles TO %s", user, catalog.Quote(user))
	default:
		return conn, nil
	}
	_ = conn.Close(ctx)
	return nil, err
}

// look opens a connection and reads in one transaction: all of it as it was at one moment, whatever others do meanwhile.
func (c *connection) look(ctx context.Context, read func(tx pgx.Tx) error) error {
	conn, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return fmt.Errorf("begin a transaction to read in: %w", err)
	}
	return read(tx) // the connection ends, and the transaction with it
}

// parseURL reads a connection string, libpq's environment, and the files that these name.
func parseURL(url string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		// pgconn's text repeats the string with its password masked, which is of use, and the parser's own words.
		return nil, usageError{fmt.Errorf("read the connection string: %w", err)}
	}
	config.DialFunc = dial
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	if severalHosts(config) && config.ValidateConnect == nil {
		// The one that can be written to, wherever it is after a failover.
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	return config, nil
}

func severalHosts(config *pgx.ConnConfig) bool {
	return slices.ContainsFunc(config.Fallbacks, func(f *pgconn.FallbackConfig) bool { return f.Host != config.Host || f.Port != config.Port })
}

// explained turns an error of connecting into one that says what to do.
func explained(err error) error {
	var connectErr *pgconn.ConnectError
	if !errors.As(err, &connectErr) {
		return err
	}
	hint := "is the server running there? The database is named by --database-url, PG_SYNC_ROLES_DATABASE_URL or libpq's environment"
	text := err.Error()
	switch {
	case strings.Contains(text, "28P01"), strings.Contains(text, "28000"):
		hint = "check the user, the password and the server's pg_hba.conf"
	case strings.Contains(text, "3D000"):
		hint = "create the database, or name another one"
	case strings.Contains(text, "42501"):
		hint = "the role needs CONNECT on the database"
	case strings.Contains(text, "read only connection"), strings.Contains(text, "connection is not primary"):
		hint = "none of the servers can be written to: a standby is waited for by run, and is of no use to the other commands"
	case strings.Contains(text, "53300"):
		hint = "raise max_connections, or reserve connections for this role: it needs two for each database, and a third with --listen-address"
	case strings.Contains(text, "08P01"), strings.Contains(text, "unsupported startup parameter"):
		hint = "a connection pooler, such as PgBouncer in transaction mode, cannot be used: LISTEN and locks need a session of their own; connect to the server itself"
	case strings.Contains(text, "no such host"), strings.Contains(text, "hostname resolving"):
		hint = "check the host's name"
	}
	return fmt.Errorf("%w\nHint: %s", err, hint)
}
