package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/internal/connect"
	"github.com/pg-sync-roles/pg-sync-roles/internal/metrics"
	"github.com/pg-sync-roles/pg-sync-roles/migrations"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/loop"
)

// opener opens the connections of a daemon to one database. Each time it reads the connection string anew: the file with the password may
// have changed.
type opener struct {
	Config
	source   connect.Source
	place    place
	turns    turns             // for the databases of its server
	seats    *seats            // as well
	seen     string            // which database it was the last time
	loggedIn atomic.Bool       // the database has let the daemon in once
	database *metrics.Database // is told of each connection
}

// open connects a reconciler, which then has a seat.
func (o *opener) open(ctx context.Context) (loop.Reconciler, error) {
	r := &reconciler{seat: &seat{seats: o.seats}, configure: func() (*pgx.ConnConfig, error) { return parse(o.source) }, database: o.database, retention: o.Retention}
	if _, err := r.seat.take(ctx); err != nil {
		return nil, err
	}
	engine, err := o.openEngine(ctx)
	if err != nil {
		r.seat.leave()
		return nil, err
	}
	r.engine = engine
	r.seat.vacate = func() { r.hangUp(ctx) }
	o.database.Connected(true)
	return r, nil
}

// openEngine waits for its turn, connects an engine, and installs the schema where that is asked for.
func (o *opener) openEngine(ctx context.Context) (*reconcile.Engine, error) {
	done, err := o.turns.take(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	connection, err := parse(o.source)
	if err != nil {
		return nil, err
	}
	connection.AfterConnect = func(context.Context, *pgconn.PgConn) error {
		o.loggedIn.Store(true)
		return nil
	}
	if o.Migrate && o.seen == "" {
		// Who is a member of the owner's role cannot upgrade the schema, and can work with one that is up to date.
		if err := o.install(ctx, connection); err != nil && !errors.Is(err, migrations.ErrNotOwner) {
			return nil, connect.Explained(err)
		}
	}
	engine, err := reconcile.Open(ctx, connection, o.Engine)
	if o.Migrate && errors.Is(err, reconcile.ErrSchema) {
		if err := o.install(ctx, connection); err != nil {
			return nil, connect.Explained(err)
		}
		engine, err = reconcile.Open(ctx, connection, o.Engine)
	}
	if err != nil {
		return nil, connect.Explained(err)
	}
	if err := engine.Ready(ctx); err != nil {
		_ = engine.Close(ctx)
		return nil, err
	}
	if err := engine.StorePolicy(ctx, o.Policy); err != nil {
		_ = engine.Close(ctx)
		return nil, err
	}
	return engine, nil
}

// install installs or upgrades the schema in a database that is new to this daemon, and upgrades it in one that is not. Where it was removed
// while the daemon ran, it stays removed.
func (o *opener) install(ctx context.Context, connection *pgx.ConnConfig) error {
	found, err := find(ctx, connection)
	switch {
	case err != nil:
		return err
	case found.standby:
		return reconcile.ErrStandby
	case !found.installed && o.seen == found.database:
		return errors.New("schema sync_roles was removed while the daemon ran: run pg-sync-roles migrate to install it again, or stop the daemon")
	}
	version, err := migrations.Up(ctx, connection)
	if err != nil {
		return err
	}
	if o.seen != found.database {
		o.Engine.Log.Info().Int("version", version).Msg("schema sync_roles is installed")
	}
	o.seen = found.database
	return nil
}

// found is what a connection string leads to.
type found struct {
	database           string // which one of which cluster
	standby, installed bool
}

// find looks there over a connection that is closed before an installer opens its own.
func find(ctx context.Context, connection *pgx.ConnConfig) (f found, err error) {
	conn, err := catalog.Connect(ctx, connection)
	if err != nil {
		return f, err
	}
	defer func() { _ = catalog.Close(ctx, conn) }()
	err = conn.QueryRow(ctx, `
		select (select system_identifier from pg_catalog.pg_control_system()) || '/' || d.oid, pg_catalog.pg_is_in_recovery(),
			pg_catalog.to_regclass('sync_roles.installation') is not null
		from pg_catalog.pg_database as d
		where d.datname = pg_catalog.current_database()`).Scan(&f.database, &f.standby, &f.installed)
	if err != nil {
		return f, fmt.Errorf("ask which database this is: %w", err)
	}
	return f, nil
}

// listen connects for LISTEN.
func (o *opener) listen(ctx context.Context) (*pgx.Conn, error) {
	connection, err := parse(o.source)
	if err != nil {
		return nil, err
	}
	connection.RuntimeParams["application_name"] = "pg-sync-roles listener"
	return catalog.Connect(ctx, connection)
}
