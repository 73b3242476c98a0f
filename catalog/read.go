package catalog

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// BeginRead connects, and begins a transaction that only reads, all of it as it was at one moment. The settings, and those by which SQL means the same in
// every session, are the transaction's own: so the connection may also be that of a pooler that gives each transaction another session. The transaction
// ends with its connection.
func BeginRead(ctx context.Context, config *pgx.ConnConfig, settings map[string]string) (pgx.Tx, error) {
	return begin(ctx, config, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, settings)
}

// BeginWrite is BeginRead for a transaction that writes, which sees what others commit meanwhile.
func BeginWrite(ctx context.Context, config *pgx.ConnConfig, settings map[string]string) (pgx.Tx, error) {
	return begin(ctx, config, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}, settings)
}

func begin(ctx context.Context, config *pgx.ConnConfig, options pgx.TxOptions, settings map[string]string) (pgx.Tx, error) {
	config = config.Copy()
	// A statement that is prepared by name may be in another session than the one that is to run it.
	config.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec
	config.RuntimeParams["client_encoding"] = "UTF8"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	tx, err := conn.BeginTx(ctx, options)
	if err == nil {
		_, err = conn.PgConn().Exec(ctx, setLocal(settings)).ReadAll()
	}
	if err != nil {
		_ = Close(ctx, conn)
		return nil, fmt.Errorf("begin a transaction: %w", err)
	}
	return tx, nil
}

// setLocal is the statement that makes settings for a transaction. It names functions in full: until it has run, the search_path may be anything.
func setLocal(settings map[string]string) string {
	all := maps.Clone(pinned)
	for _, ofTransaction := range []string{"default_transaction_isolation", "default_transaction_deferrable"} { // it has begun
		delete(all, ofTransaction)
	}
	maps.Copy(all, settings)
	var calls []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		calls = append(calls, fmt.Sprintf("pg_catalog.set_config(%s, %s, true)", Literal(name), Literal(all[name])))
	}
	return "select " + strings.Join(calls, ", ")
}
