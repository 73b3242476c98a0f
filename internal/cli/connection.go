package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/jackc/pgx/v5"
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

// source is where the connection string is.
func (c *connection) source() (connect.Source, error) {
	list, err := sources(c.cmd.Flags(), nonEmpty(c.url), nonEmpty(c.file))
	if err != nil {
		return connect.Source{}, err
	}
	if len(list) > 1 {
		return connect.Source{}, usageError{fmt.Errorf("--%s and --%s are both given: one database is wanted", urlFlag, fileFlag)}
	}
	return list[0], nil
}

// config reads the connection string, and warns of what is unwise in it.
func (c *connection) config() (*pgx.ConnConfig, error) {
	source, err := c.source()
	if err != nil {
		return nil, err
	}
	config, warnings, err := source.Config()
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

// settings bound what a command waits for.
var settings = map[string]string{
	"lock_timeout":      "5s",
	"statement_timeout": "60s",
	"jit":               "off", // to compile the query of grant_status takes longer than to run it
}

// open connects to a database that has the schema. It waits for no lock for long.
func (c *connection) open(ctx context.Context) (*pgx.Conn, error) {
	config, err := c.config()
	if err != nil {
		return nil, err
	}
	config = catalog.Pin(config)
	maps.Copy(config.RuntimeParams, settings)
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, connect.Explained(err)
	}
	if err := checkSchema(ctx, conn, config.Database); err != nil {
		_ = catalog.Close(ctx, conn)
		return nil, err
	}
	return conn, nil
}

// errNoSchema is that a database does not have our schema.
var errNoSchema = errors.New("no schema sync_roles")

// checkSchema finds out whether a database has the schema, and lets us into it.
func checkSchema(ctx context.Context, q catalog.Querier, database string) error {
	var installed, usage bool
	var user string
	err := q.QueryRow(ctx, `
		select n.oid is not null and exists (select from pg_catalog.pg_class as c where c.relnamespace = n.oid and c.relname = 'role_status'),
			coalesce(has_schema_privilege(n.oid, 'USAGE'), false), current_user
		from (values (to_regnamespace('sync_roles')::oid)) as n (oid)`).Scan(&installed, &usage, &user)
	switch {
	case err != nil:
		return fmt.Errorf("look for schema sync_roles: %w", err)
	case !installed:
		return fmt.Errorf("database %q has %w: run pg-sync-roles migrate", database, errNoSchema)
	case !usage:
		return fmt.Errorf("role %q may not use schema sync_roles. To allow it: GRANT USAGE ON SCHEMA sync_roles TO %s", user, catalog.Quote(user))
	}
	return nil
}

// look opens a connection and reads in one transaction: all of it as it was at one moment, whatever others do meanwhile.
func (c *connection) look(ctx context.Context, read func(tx pgx.Tx) error) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	return lookAt(ctx, config, read)
}

// lookAt is look at the database of a configuration.
func lookAt(ctx context.Context, config *pgx.ConnConfig, read func(tx pgx.Tx) error) error {
	return lookWith(ctx, config, settings, read)
}

func lookWith(ctx context.Context, config *pgx.ConnConfig, settings map[string]string, read func(tx pgx.Tx) error) error {
	tx, err := catalog.BeginRead(ctx, config, settings)
	if err != nil {
		return connect.Explained(err)
	}
	defer func() { _ = catalog.Close(ctx, tx.Conn()) }() // and the transaction with it
	if err := checkSchema(ctx, tx, config.Database); err != nil {
		return err
	}
	return read(tx)
}
