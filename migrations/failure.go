package migrations

import (
	"errors"
	"fmt"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	"github.com/jackc/pgx/v5/pgconn"
)

// failure says which migration failed, and why. golang-migrate's error has the whole text of the migration, and hides PostgreSQL's own.
func failure(m *migrate.Migrate, err error) error {
	var failed database.Error
	var pointer *database.Error
	switch {
	case errors.As(err, &failed):
	case errors.As(err, &pointer):
		failed = *pointer
	default:
		return err
	}
	where := ""
	if version, dirty, err := m.Version(); err == nil && dirty {
		where = fmt.Sprintf("migration %d: ", version)
	}
	if failed.Line > 0 {
		where += fmt.Sprintf("line %d: ", failed.Line)
	}
	return fmt.Errorf("%s%w", where, failed.OrigErr)
}

// explained says what helps where row-level security would hide rows from an upgrade. (check_enable_rls in rls.c)
func explained(err error) error {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != "42501" || refused.Routine != "check_enable_rls" {
		return err
	}
	return fmt.Errorf("%w: the owner of schema %s must see all rows of its tables: ALTER TABLE … NO FORCE ROW LEVEL SECURITY", err, Schema)
}
