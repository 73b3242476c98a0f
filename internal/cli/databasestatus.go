package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/internal/connect"
	"github.com/pg-sync-roles/pg-sync-roles/internal/daemon"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

// databaseStatus is the status of the roles of a database.
type databaseStatus struct {
	database string // empty where only one is meant
	roles    []audit.Status
	lost     reconcile.LostAdmin
	broken   []audit.Violation // of the rules
	err      error             // why it could not be read, where others could
}

func (d *databaseStatus) read(ctx context.Context, q catalog.Querier, roles []string) (err error) {
	if d.roles, err = audit.Statuses(ctx, q, roles); err != nil {
		return err
	}
	if d.broken, err = audit.Violations(ctx, q, roles); err != nil {
		return err
	}
	d.lost, err = lostAdminOfOwner(ctx, q)
	return err
}

// explained is why the database could not be read, with its name.
func (d *databaseStatus) explained() error {
	if errors.Is(d.err, errNoSchema) {
		return d.err
	}
	return fmt.Errorf("database %q: %w", d.database, d.err)
}

func (d *databaseStatus) manages(role string) bool {
	return slices.ContainsFunc(d.roles, func(s audit.Status) bool { return s.Role == role })
}

// readAtOnce is how many databases are read at a time.
const readAtOnce = 4

// readAll reads the status in each database that is meant. What cannot be read in one of them is no error of the others.
func (o *statusOptions) readAll(ctx context.Context, roles []string) ([]databaseStatus, error) {
	source, err := o.source()
	if err != nil {
		return nil, err
	}
	databases, err := o.listDatabases(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]databaseStatus, len(databases))
	turns := make(chan struct{}, readAtOnce)
	var wg sync.WaitGroup
	for i, database := range databases {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			d := &list[i]
			d.database = database
			d.err = readIn(ctx, source.In(database), func(tx pgx.Tx) error { return d.read(ctx, tx, roles) })
		})
	}
	wg.Wait()
	if len(o.patterns) == 0 {
		list = slices.DeleteFunc(list, func(d databaseStatus) bool { return errors.Is(d.err, errNoSchema) })
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w in any database of the server that you may connect to", errNoSchema)
	}
	return list, ctx.Err()
}

func readIn(ctx context.Context, source connect.Source, read func(pgx.Tx) error) error {
	config, _, err := source.Config() // the warnings were given when the server was asked for its databases
	if err != nil {
		return err
	}
	return lookAt(ctx, config, read)
}

// listDatabases lists the databases that match a pattern, or all that the connected role may connect to.
func (o *statusOptions) listDatabases(ctx context.Context) (names []string, err error) {
	config, err := o.config()
	if err != nil {
		return nil, err
	}
	tx, err := catalog.BeginRead(ctx, config, settings)
	if err != nil {
		return nil, connect.Explained(err)
	}
	defer func() { _ = catalog.Close(ctx, tx.Conn()) }()
	patterns := o.patterns
	if len(patterns) == 0 {
		patterns = []string{"%"}
	}
	list, err := daemon.Databases(ctx, tx, patterns)
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		if d.MayConnect || len(o.patterns) > 0 {
			names = append(names, d.Name)
		}
	}
	if len(names) == 0 && len(o.patterns) > 0 {
		return nil, daemon.NoMatch(o.patterns)
	}
	return names, nil
}
