//go:build unix

package chaos

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// soloRole is for the patient writer alone.
const soloRole = "solo"

// patient writes about a role of which nobody else does, twice in short order, and waits. The second time a pass may be at work on the
// first, and must not take the second for done.
type patient struct {
	*actor
	sessions []*session
}

func newPatient(c *cluster) *actor {
	p := &patient{actor: &actor{name: "patient writer", pause: 20 * time.Millisecond}}
	for _, database := range databases {
		p.sessions = append(p.sessions, &session{url: c.server.URL(daemonRole, database), tolerated: []string{
			"40P01", "55P03",
			"57014", // the daemons are slow, or down
			"55000", // what it asks for is refused, or blocked
		}})
	}
	p.deeds = []deed{{1, p.write}}
	return p.actor
}

func (p *patient) write(ctx context.Context) (string, error) {
	n := p.random.IntN(len(databases))
	schema, table := pick(p.random, schemas...), pick(p.random, tables...)
	var at time.Time
	for range 2 {
		row := chance(p.random, 60)
		word, err := p.sessions[n].use(ctx, func(ctx context.Context, tx pgx.Tx) error {
			sql := "delete from sync_roles.desired_grants where role_name = $1 and schema_name = $2 and object_name = $3"
			if row {
				sql = `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ($1, 'SELECT', 'table', $2, $3)
					on conflict ` + selector + ` do update set note = excluded.note`
			}
			tag, err := tx.Exec(ctx, sql, soloRole, schema, table)
			if err != nil {
				return err
			}
			if tag.RowsAffected() == 0 {
				return errRollback
			}
			return tx.QueryRow(ctx, "select clock_timestamp()").Scan(&at)
		})
		if word != done {
			return word, err
		}
		rest(ctx, time.Duration(p.random.Int64N(int64(60*time.Millisecond))))
	}
	var seen bool
	word, err := p.sessions[n].use(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select sync_roles.wait_for_sync($1, '3 s')", soloRole); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "select exists (select from sync_roles.audit where role_name = $1 and at > $2)", soloRole, at).Scan(&seen)
	})
	if word == done && !seen {
		return "", fmt.Errorf("%s: role %s was written about at %s, wait_for_sync says that it is done, and the audit has nothing of it after that", databases[n], soloRole, at)
	}
	return word, err
}
