//go:build unix

package chaos

import (
	"context"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// model is what the test knows besides the rows: what was given by hand, which an additive role keeps, and when each role was last
// written about.
type model struct {
	mu      sync.Mutex
	byHand  map[cell]bool // with grant option or ADMIN
	touched map[place]time.Time
}

// cell is a privilege of a role on an object or a column. Objects and roles that were dropped do not come back under the same OID.
type cell struct {
	database          int
	role, object      uint32
	column, privilege string
}

// place is a role in the rows of a database.
type place struct {
	database int
	role     string
}

// newModel counts as given by hand what is there before any row is.
func newModel(t *testing.T, c *cluster) *model {
	t.Helper()
	m := &model{byHand: map[cell]bool{}, touched: map[place]time.Time{}}
	for n, w := range c.look(t) {
		for _, e := range w.entries {
			m.byHand[cell{n, e.Grantee, e.Object, e.Column, e.Privilege}] = e.Grantable
		}
	}
	return m
}

// touch notes that a committed transaction wrote about these roles.
func (m *model) touch(database int, roles map[string]bool, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for role := range roles {
		p := place{database, role}
		if m.touched[p].Before(at) {
			m.touched[p] = at
		}
	}
}

// give notes what is about to be given by hand: whether it comes to that is not always known.
func (m *model) give(c cell, option bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.byHand[c] = m.byHand[c] || option
}

// renameColumn notes that what was given by hand on one column of a table may be on another, once it is about to be renamed.
func (m *model) renameColumn(database int, table uint32, from, to string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c, option := range maps.Clone(m.byHand) {
		if c.database == database && c.object == table && c.column == from {
			c.column = to
			m.byHand[c] = m.byHand[c] || option
		}
	}
}

// take notes what was revoked by hand, so that nothing of it was left.
func (m *model) take(c cell) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.byHand, c)
}

// oid returns the OID that the query finds, or 0.
func oid(ctx context.Context, tx pgx.Tx, sql string, args ...any) (oid uint32, err error) {
	err = tx.QueryRow(ctx, "select coalesce(("+sql+"), 0)::oid", args...).Scan(&oid)
	return oid, err
}

func roleOID(ctx context.Context, tx pgx.Tx, role string) (uint32, error) {
	return oid(ctx, tx, "select oid from pg_roles where rolname = $1", role)
}

func tableOID(ctx context.Context, tx pgx.Tx, schema, table string) (uint32, error) {
	return oid(ctx, tx, "select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = $2", schema, table)
}

func schemaOID(ctx context.Context, tx pgx.Tx, schema string) (uint32, error) {
	return oid(ctx, tx, "select oid from pg_namespace where nspname = $1", schema)
}

// withdrawAll deletes every row.
func (c *cluster) withdrawAll(t *testing.T) {
	t.Helper()
	for _, database := range databases {
		conn := c.connect(t, database)
		execute(t, conn, "delete from sync_roles.desired_grants; delete from sync_roles.desired_roles")
	}
}

// without returns the cells but for those that these rows speak of.
func (m *model) without(spoken func(cell) bool) map[cell]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	rest := maps.Clone(m.byHand)
	maps.DeleteFunc(rest, func(c cell, _ bool) bool { return spoken(c) })
	return rest
}
