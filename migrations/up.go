package migrations

import (
	"context"
	"embed"
	"errors"
	"fmt"

	"github.com/golang-migrate/migrate/v4"
	migratepgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Schema is where everything is installed, golang-migrate's version table too.
// (pg_sync_roles would not do: PostgreSQL reserves names that begin with pg_.)
const Schema = "sync_roles"

//go:embed *.sql
var files embed.FS

// installLock is the advisory lock that two installers of one database meet at. Its number is arbitrary.
const installLock = 7300316049

// Up installs the schema, or upgrades it to the newest version, and returns that version.
// It needs a role that may create schemas in the database and roles in the cluster; it needs no superuser.
// Any number of processes may call it at once.
func Up(ctx context.Context, config *pgx.ConnConfig) (version int, err error) {
	config = impatient(config)
	conn, err := connect(ctx, config)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()

	if _, err := conn.Exec(ctx, "select pg_catalog.pg_advisory_lock($1)", int64(installLock)); err != nil {
		return 0, fmt.Errorf("wait for another installer of database %q: %w", config.Database, err)
	}
	if err := ensureLockRole(ctx, conn); err != nil {
		return 0, err
	}
	if err := ensureSchema(ctx, conn); err != nil {
		return 0, err
	}
	if err := runFiles(ctx, conn, config); err != nil {
		return 0, err
	}
	if err := adapt(ctx, conn); err != nil {
		return 0, err
	}
	return installedVersion(ctx, conn)
}

// impatient keeps an upgrade from waiting for a lock without end, with all writers of rows behind it.
func impatient(config *pgx.ConnConfig) *pgx.ConnConfig {
	config = config.Copy()
	if _, ok := config.RuntimeParams["lock_timeout"]; !ok {
		config.RuntimeParams["lock_timeout"] = "30s"
	}
	return config
}

// runFiles lets golang-migrate run what is not yet installed.
func runFiles(ctx context.Context, conn *pgx.Conn, config *pgx.ConnConfig) (err error) {
	source, err := iofs.New(files, ".")
	if err != nil {
		return fmt.Errorf("read embedded migrations: %w", err)
	}
	db := stdlib.OpenDB(*config)
	driver, err := migratepgx.WithInstance(db, &migratepgx.Config{SchemaName: Schema, MigrationsTable: "schema_migrations"})
	if err != nil {
		_ = db.Close()
		return fmt.Errorf("open migrations of database %q: %w", config.Database, err)
	}
	m, err := migrate.NewWithInstance("iofs", source, "pgx5", driver)
	if err != nil {
		_ = db.Close()
		return fmt.Errorf("open migrations of database %q: %w", config.Database, err)
	}
	defer func() {
		sourceErr, databaseErr := m.Close()
		err = errors.Join(err, sourceErr, databaseErr)
	}()

	if err := recoverVersion(ctx, conn, m); err != nil {
		return err
	}
	if err := m.Up(); err != nil && !errors.Is(err, migrate.ErrNoChange) {
		return fmt.Errorf("migrate schema %s of database %q: %w", Schema, config.Database, err)
	}
	return nil
}

// recoverVersion clears golang-migrate's dirty flag after a migration that was killed. The flag says that SQL may be half
// done; here it never is, and installation.schema_version tells what was committed.
func recoverVersion(ctx context.Context, conn *pgx.Conn, m *migrate.Migrate) error {
	recorded, dirty, err := m.Version()
	if errors.Is(err, migrate.ErrNilVersion) {
		recorded, err = 0, nil
	}
	if err != nil {
		return fmt.Errorf("read the installed version: %w", err)
	}
	actual, err := installedVersion(ctx, conn)
	if err != nil {
		return err
	}
	if !dirty && int(recorded) == actual {
		return nil
	}
	if actual == 0 {
		actual = -1 // golang-migrate's word for "nothing installed"
	}
	if err := m.Force(actual); err != nil {
		return fmt.Errorf("record version %d after an interrupted migration: %w", actual, err)
	}
	return nil
}

// Version returns the installed version, 0 if there is none.
func Version(ctx context.Context, config *pgx.ConnConfig) (int, error) {
	conn, err := connect(ctx, config)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return installedVersion(ctx, conn)
}

// Latest is the version that Up installs.
func Latest() int {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // the files are part of the program
	}
	latest := 0
	for _, entry := range entries {
		var n int
		if _, err := fmt.Sscanf(entry.Name(), "%06d_", &n); err == nil {
			latest = max(latest, n)
		}
	}
	return latest
}

func installedVersion(ctx context.Context, conn *pgx.Conn) (version int, err error) {
	var there bool
	if err := conn.QueryRow(ctx, "select to_regclass('sync_roles.installation') is not null").Scan(&there); err != nil {
		return 0, fmt.Errorf("look for schema %s: %w", Schema, err)
	}
	if !there {
		return 0, nil
	}
	err = conn.QueryRow(ctx, "select schema_version from sync_roles.installation").Scan(&version)
	if err != nil {
		return 0, fmt.Errorf("read the installed version: %w", err)
	}
	return version, nil
}
