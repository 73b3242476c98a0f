package migrations

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

//go:embed eventtriggers/on.sql
var eventTriggersOn string

//go:embed eventtriggers/off.sql
var eventTriggersOff string

// SetEventTriggers installs the event triggers that tell the daemon of DDL, or removes them, and runs nothing else that is in the database. PostgreSQL
// allows the first to superusers; RDS, Aurora and Supabase to others too.
func SetEventTriggers(ctx context.Context, config *pgx.ConnConfig, on bool) error {
	conn, err := connect(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = catalog.Close(ctx, conn) }()
	sql := eventTriggersOff
	if on {
		sql = eventTriggersOn
	}
	// One message is one transaction.
	_, err = conn.PgConn().Exec(ctx, sql).ReadAll()
	var refusal *pgconn.PgError
	if errors.As(err, &refusal) && refusal.Code == "42501" {
		return fmt.Errorf("change event triggers in database %q: the server lets a superuser do it, and on some managed services the provider's main role; connect as one with --database-url: %w", config.Database, err)
	}
	if errors.As(err, &refusal) && refusal.Code == "3F000" {
		return fmt.Errorf("change event triggers in database %q: schema %s is not installed; run pg-sync-roles migrate as the role that runs the daemon: %w", config.Database, Schema, err)
	}
	if err != nil {
		return fmt.Errorf("change event triggers in database %q: %w", config.Database, err)
	}
	return nil
}
