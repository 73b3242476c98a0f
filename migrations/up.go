package migrations

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/golang-migrate/migrate/v4"
	migratepgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Schema is where everything is installed, golang-migrate's version table too.
// (pg_sync_roles would not do: PostgreSQL reserves names that begin with pg_.)
const Schema = "sync_roles"

//go:embed *.sql
var files embed.FS

// Up installs the schema, or upgrades it to the newest version, and returns that version.
// It needs a role that may create schemas in the database and roles in the cluster; it needs no superuser.
// Any number of processes may call it at once.
func Up(ctx context.Context, config *pgx.ConnConfig) (version int, err error) {
	defer func() { err = explained(err) }()
	config = impatient(config)
	conn, err := connect(ctx, config)
	if err != nil {
		return 0, err
	}
	defer func() { _ = catalog.Close(ctx, conn) }()

	if err := ensureLockRole(ctx, conn); err != nil {
		return 0, err
	}
	created, err := ensureSchema(ctx, conn)
	if err != nil {
		return 0, err
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := lockSchema(ctx, tx, config.Database); err != nil {
			return err
		}
		before, err := installedVersion(ctx, tx.Conn())
		if err != nil {
			return err
		}
		if err := CheckNotNewer(before); err != nil {
			return err
		}
		existing, err := checkedContents(ctx, tx)
		if err != nil {
			return err
		}
		if created {
			existing = []uint32{}
		}
		if err := runFiles(ctx, conn, config); err != nil {
			return err
		}
		return repairPrivileges(ctx, tx, existing)
	})
	if err != nil {
		return 0, err
	}
	if err := adapt(ctx, conn); err != nil {
		return 0, err
	}
	return installedVersion(ctx, conn)
}

// lockSchema makes installers of one database follow one another. COMMENT locks the schema, until the transaction ends, against itself and against
// DROP, and only the schema's owner can; an advisory lock could be held by any login.
func lockSchema(ctx context.Context, tx pgx.Tx, database string) error {
	if _, err := tx.Exec(ctx, "comment on schema sync_roles is 'pg-sync-roles: which role should have which privileges, and what was done about it'"); err != nil {
		return fmt.Errorf("wait for another installer of database %q: %w", database, err)
	}
	return nil
}

// impatient keeps an upgrade from waiting for a lock without end, with all writers of rows behind it; and from passing over rows that row-level security
// would hide from it.
func impatient(config *pgx.ConnConfig) *pgx.ConnConfig {
	config = config.Copy()
	config.RuntimeParams["row_security"] = "off"
	if _, ok := config.RuntimeParams["lock_timeout"]; !ok {
		config.RuntimeParams["lock_timeout"] = "30s"
	}
	return config
}

// runFiles lets golang-migrate run what is not yet installed.
//
// golang-migrate takes an advisory lock whose number it derives from DatabaseName, and from nothing else that changes. Any login that knew the number
// could hold it for ever, so it gets a random one: lockSchema keeps installers apart.
func runFiles(ctx context.Context, conn *pgx.Conn, config *pgx.ConnConfig) (err error) {
	source, err := iofs.New(files, ".")
	if err != nil {
		return fmt.Errorf("read embedded migrations: %w", err)
	}
	running, finish := context.WithCancel(ctx)
	defer finish()
	db := stdlib.OpenDB(*catalog.Pin(config), stdlib.OptionAfterConnect(func(_ context.Context, conn *pgx.Conn) error {
		context.AfterFunc(running, func() { cancelStatement(ctx, conn) })
		if err := catalog.StayLocal(ctx, conn); err != nil {
			return err
		}
		return catalog.UseUTF8(ctx, conn)
	}))
	driver, err := migratepgx.WithInstance(db, &migratepgx.Config{SchemaName: Schema, MigrationsTable: "schema_migrations", DatabaseName: rand.Text()})
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
		return fmt.Errorf("migrate schema %s of database %q: %w", Schema, config.Database, failure(m, err))
	}
	return nil
}

// cancelStatement has the server cancel what a connection does, if the context has ended: golang-migrate knows of none.
func cancelStatement(ctx context.Context, conn *pgx.Conn) {
	if ctx.Err() == nil {
		return
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelWait)
	defer cancel()
	_ = conn.PgConn().CancelRequest(limited)
}

// cancelWait is how long it may take to tell the server.
const cancelWait = 5 * time.Second

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
	defer func() { _ = catalog.Close(ctx, conn) }()
	return installedVersion(ctx, conn)
}

// CheckNotNewer returns an error if a program that came later has installed this version.
func CheckNotNewer(version int) error {
	if latest := Latest(); version > latest {
		return fmt.Errorf("schema %s has version %d, which is newer than this program's %d: install a newer pg-sync-roles", Schema, version, latest)
	}
	return nil
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
