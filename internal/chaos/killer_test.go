//go:build unix

package chaos

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
)

// newKiller makes an actor who kills daemons, cuts their sessions, and lets the server crash.
func newKiller(c *cluster, daemons *daemons) *actor {
	k := &actor{name: "killer", pause: 4 * time.Second}
	super := &session{url: c.server.URL(pgserver.Superuser, "postgres")}
	k.deeds = []deed{
		{4, func(context.Context) (string, error) {
			pick(k.random, daemons.list...).kill()
			return "killed a daemon", nil
		}},
		{3, func(ctx context.Context) (string, error) {
			percent := k.random.IntN(100)
			defer c.trouble()()
			word, err := super.use(ctx, func(ctx context.Context, tx pgx.Tx) error {
				return run(ctx, tx, "select pg_terminate_backend(pid) from pg_stat_activity where usename = '%s' and application_name like 'pg-sync-roles%%' and pid %% 100 < %d", daemonRole, percent)
			})
			if word == done {
				word = "ended sessions"
			}
			return word, err
		}},
		{1, func(ctx context.Context) (string, error) {
			if err := c.restart(ctx); err != nil {
				return "", err
			}
			return "restarted the server", nil
		}},
	}
	return k
}
