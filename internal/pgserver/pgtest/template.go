package pgtest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
)

const (
	templateDatabase = "template_installed"
	templateDaemon   = "template_daemon"
)

// An Install puts a schema into a database, as the role of the connection, or settles it in a copy of a database that has it.
type Install func(ctx context.Context, config *pgx.ConnConfig) error

var template struct {
	sync.Mutex
	made bool
}

// NewInstalled is New with a schema in the database, of which the daemon owns all. It is installed once for all tests of a package, and copied: to install it
// takes longer than most tests.
func NewInstalled(tb testing.TB, install Install) *Env {
	tb.Helper()
	server := Server(tb)
	if err := makeTemplate(tb.Context(), server, install); err != nil {
		tb.Fatalf("make the template of the tests' databases: %v", err)
	}
	e := newFrom(tb, templateDatabase)
	e.Exec(tb, "reassign owned by "+templateDaemon+" to "+e.Daemon)
	if err := install.into(tb.Context(), e.URL(e.Daemon)); err != nil {
		tb.Fatalf("settle the copy of the template: %v", err)
	}
	return e
}

func makeTemplate(ctx context.Context, server *pgserver.Server, install Install) error {
	template.Lock()
	defer template.Unlock()
	if template.made {
		return nil
	}
	admin := server.URL(pgserver.Superuser, "postgres")
	for _, sql := range []string{
		"create role " + templateDaemon + " login createrole",
		"grant " + lockRole + " to " + templateDaemon + " with admin option",
		"create database " + templateDatabase + " owner " + templateDaemon,
	} {
		if err := exec(ctx, admin, sql); err != nil {
			return err
		}
	}
	if err := install.into(ctx, server.URL(templateDaemon, templateDatabase)); err != nil {
		return err
	}
	// REASSIGN OWNED in a copy would take the template too.
	if err := exec(ctx, admin, "alter database "+templateDatabase+" owner to "+pgserver.Superuser); err != nil {
		return err
	}
	template.made = true
	return nil
}

// into installs the schema as the role of the connection string.
func (install Install) into(ctx context.Context, url string) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return err
	}
	if err := install(ctx, config); err != nil {
		return fmt.Errorf("install in %s: %w", config.Database, err)
	}
	return nil
}
