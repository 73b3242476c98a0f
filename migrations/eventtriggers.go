package migrations

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed eventtriggers/on.sql
var eventTriggersOn string

//go:embed eventtriggers/off.sql
var eventTriggersOff string

// SetEventTriggers installs the event triggers that tell the daemon of DDL, or removes them. PostgreSQL allows the first to superusers only.
func SetEventTriggers(ctx context.Context, config *pgx.ConnConfig, on bool) error {
	conn, err := connect(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	sql := eventTriggersOff
	if on {
		sql = eventTriggersOn
	}
	// One message is one transaction.
	_, err = conn.PgConn().Exec(ctx, sql).ReadAll()
	var refusal *pgconn.PgError
	if errors.As(err, &refusal) && refusal.Code == "42501" {
		return fmt.Errorf("change event triggers in database %q: only a superuser may, or what your provider has instead; connect as one with --database-url: %w", config.Database, err)
	}
	if err != nil {
		return fmt.Errorf("change event triggers in database %q: %w", config.Database, err)
	}
	return nil
}
