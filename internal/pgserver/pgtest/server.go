// Package pgtest gives each test a PostgreSQL database of its own, with the roles of a pg-sync-roles that was installed
// without superuser.
//
// All tests of a package share one server, which the first of them starts. So that it is stopped, each package with
// such tests has
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
// Roles are the cluster's, not the database's: a test must make roles with its own prefix only (see Env.Role), and
// manage only those. A test that needs a whole cluster starts one with pgserver.
package pgtest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
)

const (
	startTimeout = 10 * time.Minute // the first one on a machine may download PostgreSQL
	stopTimeout  = 20 * time.Second

	// lockRole is the role that daemons lock. `migrate` makes it; here it is there before, as many tests at once would
	// make it.
	lockRole = "_pgsr_lock"
)

var (
	running     atomic.Pointer[pgserver.Server]
	startShared = sync.OnceValues(start)
)

// Main runs a package's tests and ends the test binary.
func Main(m *testing.M) {
	code := m.Run()
	if server := running.Load(); server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		if err := server.Stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
		cancel()
	}
	os.Exit(code)
}

// Server returns the server that the package's tests share. Do not restart it.
func Server(tb testing.TB) *pgserver.Server {
	tb.Helper()
	server, err := startShared()
	if err != nil {
		tb.Fatal(err)
	}
	return server
}

func start() (*pgserver.Server, error) {
	// Not the context of the test that happens to be first: the server outlives it.
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	binDir, err := pgserver.Locate(ctx, os.Stderr)
	if err != nil {
		return nil, err
	}
	server, err := pgserver.Start(ctx, pgserver.Config{BinDir: binDir, Dir: MemoryDir(), Settings: map[string]string{
		"fsync":              "off",
		"full_page_writes":   "off",
		"max_connections":    "500",
		"synchronous_commit": "off",
	}})
	if err != nil {
		return nil, err
	}
	running.Store(server)
	return server, exec(ctx, server.URL(pgserver.Superuser, "postgres"), "create role "+lockRole)
}

// exec runs SQL on a connection of its own.
func exec(ctx context.Context, url, sql string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("run %s: %w", sql, err)
	}
	return nil
}
