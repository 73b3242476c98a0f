//go:build unix

package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
)

// operator does what befalls a whole database: it hides the daemon's own rows from it, and copies a database.
type operator struct {
	*actor
	cluster  *cluster
	program  string
	sessions []*session
}

func newOperator(c *cluster, daemons *daemons) *actor {
	o := &operator{actor: &actor{name: "operator", pause: 5 * time.Second}, cluster: c, program: daemons.program}
	for _, database := range databases {
		o.sessions = append(o.sessions, &session{url: c.server.URL(pgserver.Superuser, database), tolerated: []string{"40P01", "55P03"}})
	}
	o.deeds = []deed{{3, o.hide}, {2, o.copy}}
	return o.actor
}

// hide lets row-level security hide the rows of a table of ours from its owner, for a moment. The table is one to which the triggers on
// rows do not write: the writers would be refused.
func (o *operator) hide(ctx context.Context) (string, error) {
	s := pick(o.random, o.sessions...)
	table := quote("sync_roles", pick(o.random, "intermediate_roles", "keepers", "resolved_objects"))
	moment := time.Duration(100+o.random.IntN(700)) * time.Millisecond
	defer o.cluster.trouble()()
	word, err := s.use(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return run(ctx, tx, "alter table %s enable row level security, force row level security", table)
	})
	if err != nil || word == refused {
		return word, err
	}
	rest(ctx, moment)
	err = insist(ctx, func(ctx context.Context) error {
		word, err := s.use(ctx, func(ctx context.Context, tx pgx.Tx) error {
			return run(ctx, tx, "alter table %s disable row level security, no force row level security", table)
		})
		if err == nil && word != done {
			err = errors.New(word)
		}
		return err
	})
	return "hid rows", err
}

// copied is the copy of the last database.
const copied = "chaos_copy"

// copy copies a database within the cluster, lets the program loose on the copy, and drops it. The copy's registry speaks of roles
// that are not its own: nobody's access to the other databases may change.
func (o *operator) copy(ctx context.Context) (string, error) {
	original := databases[len(databases)-1]
	defer o.cluster.trouble()()
	err := o.run(ctx, fmt.Sprintf("alter database %s allow_connections false", original),
		fmt.Sprintf("select pg_terminate_backend(pid) from pg_stat_activity where datname = '%s'", original),
		fmt.Sprintf("create database %s template %s", copied, original))
	if failed := insist(ctx, func(ctx context.Context) error {
		return o.run(ctx, fmt.Sprintf("alter database %s allow_connections true", original))
	}); failed != nil {
		return "", failed
	}
	word := "copied a database"
	var refusal *pgconn.PgError
	switch {
	case err == nil:
		err = o.sync(ctx)
	case errors.As(err, &refusal) && refusal.Code == "55006": // somebody has got in
		word, err = refused, nil
	case errors.As(err, &refusal) && raced(refusal): // ALTER DATABASE takes no lock that a GRANT on the database could wait for
		word, err = refused, nil
	case !errors.As(err, &refusal) || refusal.Code[:3] == "57P":
		word, err = unknown, nil
	}
	if failed := insist(ctx, func(ctx context.Context) error {
		return o.run(ctx, fmt.Sprintf("drop database if exists %s with (force)", copied))
	}); failed != nil {
		return "", failed
	}
	return word, err
}

// otherDatabase is what the program says of a registry that was copied.
const otherDatabase = "was restored or copied from elsewhere"

// sync asks the program to bring the copy in order, which it must refuse before migrate has made the registry the copy's own.
func (o *operator) sync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, o.program, append([]string{"sync", "--lock-timeout", "500ms", "-d", o.cluster.server.URL(daemonRole, copied)}, policy...)...)
	said, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return fmt.Errorf("sync in a copy that migrate has not seen ended well: %s", end(said))
	case !errors.As(err, &exit) || bytes.Contains(said, []byte("panic:")):
		return fmt.Errorf("sync in a copy: %w: %s", err, end(said))
	case bytes.Contains(said, []byte(otherDatabase)):
		o.counts["sync saw the copy"]++
	}
	return nil
}

// run executes statements outside of transactions, anew each time: the server may be restarted.
func (o *operator) run(ctx context.Context, statements ...string) error {
	conn, err := pgx.Connect(ctx, o.cluster.server.URL(pgserver.Superuser, "postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, sql := range statements {
		if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
			return fmt.Errorf("run %s: %w", sql, err)
		}
	}
	return nil
}

// insist tries until it succeeds, also when the time is up: what others need must not stay away.
func insist(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		rest(ctx, 50*time.Millisecond)
	}
}
