//go:build unix

package chaos

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
)

// What is built anew again and again, in a schema where nobody else changes anything but the daemons.
const (
	mart    = "mart"
	rebuilt = "m0"
)

// rebuilder builds tables as dbt does: a new one beside the old one, which then change names. It has no mercy: that the
// daemons grant and revoke on these tables at the same time must not make any of its statements fail.
type rebuilder struct {
	*actor
	cluster  *cluster
	sessions []*session
}

func newRebuilder(c *cluster) *actor {
	r := &rebuilder{actor: &actor{name: "rebuilder", pause: 400 * time.Millisecond}, cluster: c}
	for _, database := range databases {
		r.sessions = append(r.sessions, &session{url: c.server.URL(pgserver.Superuser, database), strict: true, tolerated: []string{"55P03"}})
	}
	r.deeds = []deed{
		{1, func(ctx context.Context) (string, error) { return r.rebuild(ctx, true) }},
		{1, func(ctx context.Context) (string, error) { return r.rebuild(ctx, false) }},
	}
	return r.actor
}

// tidy makes good what a swap has left that was cut short.
const tidy = "drop table if exists mart.m0_new, mart.m0_old; create table if not exists mart.m0 (a int, b int)"

var swap = []string{
	"create table mart.m0_new (a int, b int)",
	"alter table mart.m0 rename to m0_old",
	"alter table mart.m0_new rename to m0",
	"drop table mart.m0_old",
}

func (r *rebuilder) rebuild(ctx context.Context, atOnce bool) (string, error) {
	// Whoever else writes to these tables' ACLs is not the daemons' fault.
	r.cluster.acls.RLock()
	defer r.cluster.acls.RUnlock()
	s := pick(r.random, r.sessions...)
	var granted bool
	word, err := s.use(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := r.run(ctx, tx, tidy); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "select relacl is not null from pg_class where oid = 'mart.m0'::regclass").Scan(&granted)
	})
	if err != nil || word != done {
		return word, err
	}
	if granted {
		r.counts["granted before"]++
	}
	if atOnce {
		word, err := s.use(ctx, func(ctx context.Context, tx pgx.Tx) error { return r.run(ctx, tx, swap...) })
		if word == done {
			word = "swapped at once"
		}
		return word, err
	}
	for _, sql := range swap {
		word, err := s.use(ctx, func(ctx context.Context, tx pgx.Tx) error { return r.run(ctx, tx, sql) })
		if err != nil || word != done {
			return word, err
		}
	}
	return "swapped", nil
}

// run is for the owner of the tables.
func (r *rebuilder) run(ctx context.Context, tx pgx.Tx, statements ...string) error {
	if err := run(ctx, tx, "set local role %s", ownerRole); err != nil {
		return err
	}
	for _, sql := range statements {
		if err := run(ctx, tx, "%s", sql); err != nil {
			return err
		}
	}
	return nil
}
