package daemon

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/internal/connect"
)

// Database is a database of a server, which another may follow under the same name.
type Database struct {
	OID        uint32 `db:"oid"`
	Name       string `db:"datname"`
	MayConnect bool   `db:"may_connect"`
}

//go:embed databases.sql
var databasesSQL string

// Databases lists the databases of a server that match a pattern, as LIKE has it, and that let sessions in.
func Databases(ctx context.Context, q catalog.Querier, patterns []string) ([]Database, error) {
	list, err := catalog.Collect[Database](ctx, q, databasesSQL, patterns)
	if err != nil {
		return nil, fmt.Errorf("list the databases of the server: %w", err)
	}
	return list, nil
}

// NoMatch is the error of patterns that no database matches.
func NoMatch(patterns []string) error {
	hint := "% stands for any characters and _ for one, as in LIKE; templates do not count, nor databases with ALLOW_CONNECTIONS false"
	if slices.ContainsFunc(patterns, func(p string) bool { return strings.ContainsAny(p, "*?") }) {
		hint = "* and ? stand for themselves; " + hint
	}
	return fmt.Errorf("no database of the server matches --databases %s: %s", strings.Join(patterns, ", "), hint)
}

// discovery serves each database of a server that matches a pattern, for as long as it is there.
type discovery struct {
	config  Config
	source  connect.Source
	fleet   *fleet
	members map[uint32]*member // by OID
	failing bool               // and the log says so
}

// run looks for databases at each interval until the context ends. At first there must be one: a pattern that matches none is likely a mistake. A server
// that cannot be reached is waited for.
func (d *discovery) run(ctx context.Context) error {
	for first := true; ; {
		list, err := d.list(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // told to stop
		case err != nil && first && (isFinal(err, true, false) || needsHelp(err)):
			return err
		case err == nil && first && len(list) == 0:
			return NoMatch(d.config.Databases)
		case err == nil:
			first = false
			err = d.follow(ctx, list)
		}
		d.tell(err)
		if !d.wait(ctx, first) {
			return nil
		}
	}
}

// list lists the databases over a connection that is closed again: looking is rare.
func (d *discovery) list(ctx context.Context) ([]Database, error) {
	config, err := parse(d.source)
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["application_name"] = "pg-sync-roles discovery"
	config.RuntimeParams["statement_timeout"] = "10s"
	conn, err := catalog.Connect(ctx, config)
	if err != nil {
		return nil, connect.Explained(err)
	}
	defer func() { _ = catalog.Close(ctx, conn) }()
	return Databases(ctx, conn, d.config.Databases)
}

// tell says once that the databases cannot be listed, and once that they can be again.
func (d *discovery) tell(err error) {
	log := d.config.Engine.Log
	if err == nil {
		if d.failing {
			log.Info().Msg("the databases of the server can be listed again")
		}
		d.failing = false
		d.fleet.monitor.metrics.Unlisted("")
		return
	}
	if !d.failing {
		log.Warn().Err(err).Msg("cannot list the databases of the server; said once, until it answers again")
	}
	d.failing = true
	d.fleet.monitor.metrics.Unlisted(inShort(err))
}

// wait waits until it is time to look again: soon, while nothing could be listed yet. It reports whether to go on.
func (d *discovery) wait(ctx context.Context, first bool) bool {
	interval := d.config.RescanInterval
	if first {
		interval = min(interval, time.Second)
	}
	timer := time.NewTimer(interval)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// follow serves the databases that are new, and no longer those that are gone.
func (d *discovery) follow(ctx context.Context, list []Database) error {
	for oid, m := range d.members {
		if !slices.ContainsFunc(list, func(database Database) bool { return database.OID == oid && database.Name == m.source.Database }) {
			m.Engine.Log.Info().Msg("the database is gone, or matches no more; it is served no longer")
			d.fleet.drop(ctx, m)
			delete(d.members, oid)
		}
	}
	var added []*member
	var err error
	for _, database := range list {
		if _, known := d.members[database.OID]; known {
			continue
		}
		var m *member
		if m, err = d.add(database); err != nil {
			break
		}
		added = append(added, m)
	}
	d.fleet.start(ctx, added)
	return err
}

// add adds a database of the server. An error is that the connection string, which a file may hold, cannot be read at the moment.
func (d *discovery) add(database Database) (*member, error) {
	source := d.source.In(database.Name)
	config, err := parse(source)
	if err != nil {
		return nil, err
	}
	at := placeOf(config)
	log := at.log(d.config.Engine.Log)
	log.Info().Msg("found a database to serve")
	m := d.fleet.add(at.Database, source, at)
	m.first = false
	m.loggedIn.Store(true) // the server let the daemon in: what this database refuses is no reason to end the others
	d.members[database.OID] = m
	return m, nil
}
