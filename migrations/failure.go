package migrations

import (
	"errors"
	"fmt"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
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
