package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/internal/connect"
)

// connection is how to reach the database.
type connection struct {
	cmd       *cobra.Command
	url, file string
}

const (
	urlFlag  = "database-url"
	fileFlag = "database-url-file"
	fileHelp = "file that holds it, for a string with a password; read again at each connection"
)

func (c *connection) flags(cmd *cobra.Command) {
	c.cmd = cmd
	cmd.Flags().StringVarP(&c.url, urlFlag, "d", "", "connection URL or keyword/value string (default: libpq's environment)")
	cmd.Flags().StringVar(&c.file, fileFlag, "", fileHelp)
}

// config reads the connection string, and warns of what is unwise in it.
func (c *connection) config() (*pgx.ConnConfig, error) {
	list, err := sources(c.cmd.Flags(), nonEmpty(c.url), nonEmpty(c.file))
	if err != nil {
		return nil, err
	}
	if len(list) > 1 {
		return nil, usageError{fmt.Errorf("--%s and --%s are both given: one database is wanted", urlFlag, fileFlag)}
	}
	config, warnings, err := list[0].Config()
	if err != nil {
		return nil, usageError{err}
	}
	for _, warning := range warnings {
		_, _ = fmt.Fprintf(c.cmd.ErrOrStderr(), "Warning: %s\n", warning)
	}
	return config, nil
}

func nonEmpty(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// sources are the databases that are meant. Where one of the two options stands on the command line, what the environment says of the other
// does not count. With neither, libpq's environment names one database.
func sources(flags *pflag.FlagSet, urls, files []string) ([]connect.Source, error) {
	switch typedURL, typedFile := typed(flags, urlFlag), typed(flags, fileFlag); {
	case typedURL && !typedFile:
		files = nil
	case typedFile && !typedURL:
		urls = nil
	case !typedURL && len(urls) > 0 && len(files) > 0:
		return nil, usageError{errors.New("PG_SYNC_ROLES_DATABASE_URL and PG_SYNC_ROLES_DATABASE_URL_FILE are both set: which one is meant?")}
	}
	var list []connect.Source
	for _, url := range urls {
		list = append(list, connect.Source{Text: url, Typed: typed(flags, urlFlag)})
	}
	for _, file := range files {
		if file == "" {
			return nil, usageError{fmt.Errorf("--%s: the name of the file is empty", fileFlag)}
		}
		list = append(list, connect.Source{File: file})
	}
	if len(list) == 0 {
		list = []connect.Source{{}}
	}
	return list, nil
}

// open connects to a database that has the schema. It waits for no lock for long.
func (c *connection) open(ctx context.Context) (*pgx.Conn, error) {
	config, err := c.config()
	if err != nil {
		return nil, err
	}
	config = catalog.Pin(config)
	params := config.RuntimeParams
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
	_ = catalog.Close(ctx, conn)
	return nil, err
}

// look opens a connection and reads in one transaction: all of it as it was at one moment, whatever others do meanwhile.
func (c *connection) look(ctx context.Context, read func(tx pgx.Tx) error) error {
	conn, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = catalog.Close(ctx, conn) }()
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return fmt.Errorf("begin a transaction to read in: %w", err)
	}
	return read(tx) // the connection ends, and the transaction with it
}

// parse reads a connection string, libpq's environment, and the files that these name.
func parse(source connect.Source) (*pgx.ConnConfig, error) {
	config, _, err := source.Config()
	if err != nil {
		return nil, usageError{err}
	}
	return config, nil
}

// explained turns an error of connecting into one that says what to do.
func explained(err error) error {
	var connectErr *pgconn.ConnectError
	if !errors.As(err, &connectErr) {
		return err
	}
	hint := "is the server running there? The database is named by --database-url, --database-url-file, their environment variables or libpq's"
	text := err.Error()
	switch {
	case strings.Contains(text, "authentication method requirement"):
		hint = "require_auth refuses what the server's pg_hba.conf asks for; nothing was sent: change the one or the other"
	case strings.Contains(text, "channel binding required"):
		hint = "channel_binding=require needs TLS, and scram-sha-256 in the server's pg_hba.conf for a password that is stored that way"
	case strings.Contains(text, "GSSAPI"):
		hint = "the server's pg_hba.conf asks for GSSAPI (Kerberos), which this program does not have: use scram-sha-256 or a client certificate"
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
	case strings.Contains(text, "server refused TLS connection"):
		hint = "sslmode asks for TLS, and the server has none: turn it on there (ssl = on)"
	case strings.Contains(text, "x509: "), strings.Contains(text, "tls: "):
		hint = "the server's certificate, or ours, was not accepted: check sslmode, sslrootcert, the host's name, and sslcert and sslkey"
	case strings.Contains(text, "no such host"), strings.Contains(text, "hostname resolving"):
		hint = "check the host's name"
	}
	return fmt.Errorf("%w\nHint: %s", err, hint)
}
