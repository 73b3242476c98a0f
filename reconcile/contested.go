package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/inspect"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// Attributes and memberships are the cluster's, and each database has its own rows. Where those of two databases contradict each other, each daemon undoes
// at every rescan what the other did, and each finds the role in order afterwards. What shows it is the audit: the same statement again and again, for
// which there is no request.

// reportContested notes for role_status which roles are contested, and by which database. With nothing to note it writes nothing. active says that
// something was done just now.
func (e *Engine) reportContested(ctx context.Context, active bool) error {
	var list []inspect.Contest
	var known []string
	err := e.briefly(ctx, func(tx pgx.Tx) (err error) {
		list, known, err = inspect.Contested(ctx, tx, active)
		return err
	})
	if err != nil {
		return err
	}
	var fresh []inspect.Contest
	over := asSet(known)
	for _, c := range list {
		if !over[c.RoleName] {
			fresh = append(fresh, c)
		}
		delete(over, c.RoleName)
	}
	if len(fresh)+len(over) == 0 {
		return nil
	}
	rivals := e.rivals(ctx, fresh)
	batch := &pgx.Batch{}
	audit.ForgetContests(batch, slices.Sorted(maps.Keys(over)))
	for _, c := range fresh {
		audit.RecordContest(batch, c.RoleName, contestProblem(c, rivals[c.RoleName]))
		e.log.Warn().Str("role", c.RoleName).Strs("databases", rivals[c.RoleName]).Str("statement", c.Statement).Msg("another session undoes this each time it is done")
	}
	if err := e.conn.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("note which roles are contested: %w", err)
	}
	return nil
}

// contestProblem tells of a contest.
func contestProblem(c inspect.Contest, rivals []string) plan.Problem {
	who := "another session undoes it each time: a tool, a person, or rows of a database that the daemon cannot read"
	if len(rivals) > 0 {
		quoted := make([]string, len(rivals))
		for i, name := range rivals {
			quoted[i] = fmt.Sprintf("%q", name)
		}
		who = fmt.Sprintf("rows of database %s ask for something else and undo it each time: let the rows of one database hold a role's attributes and memberships", strings.Join(quoted, ", "))
	}
	return plan.Problem{
		Kind: plan.Blocked, Code: plan.Contested, Role: c.RoleName, Object: "role " + c.RoleName, Statement: c.Statement,
		Reason: fmt.Sprintf("%s was run again and again, and %s", c.Statement, who),
	}
}

// Reading other databases is bounded: it only helps a person find the cause sooner, and a rescan waits for it.
const (
	maxRivals     = 100
	rivalTimeout  = 2 * time.Second
	rivalsTimeout = 5 * time.Second
)

// rivals looks for the databases of which the daemon changes the same roles, too. One that cannot be read is left out.
func (e *Engine) rivals(ctx context.Context, list []inspect.Contest) map[string][]string {
	found := map[string][]string{}
	if len(list) == 0 {
		return found
	}
	roles := map[string]bool{}
	for _, c := range list {
		roles[c.RoleName] = true
	}
	databases, err := inspect.OtherDatabases(ctx, e.conn, maxRivals)
	if err != nil {
		e.log.Debug().Err(err).Msg("cannot list the databases that may contest roles")
		return found
	}
	deadline := time.Now().Add(rivalsTimeout)
	for _, database := range databases {
		left := time.Until(deadline)
		if left <= 0 {
			break
		}
		names, err := e.contestedIn(ctx, database, slices.Sorted(maps.Keys(roles)), min(left, rivalTimeout))
		if err != nil {
			e.log.Debug().Err(err).Str("other", database).Msg("cannot read a database that may contest roles")
		}
		for _, role := range names {
			found[role] = append(found[role], database)
		}
	}
	return found
}

// contestedIn returns which of these roles another database changes again and again. The time is for what is read there: when a context ends, pgx closes
// the connection that waits by it, and that must not be the one by which the daemon works.
func (e *Engine) contestedIn(ctx context.Context, database string, roles []string, within time.Duration) ([]string, error) {
	there, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	list, err := e.changesIn(there, database, roles)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return inspect.OftenChanged(ctx, e.conn, list)
}

// changesIn reads what another database does for these roles without a request.
func (e *Engine) changesIn(ctx context.Context, database string, roles []string) ([]inspect.Contest, error) {
	config := e.conn.Config()
	config.Database = database
	maps.Copy(config.RuntimeParams, map[string]string{"default_transaction_read_only": "on", "statement_timeout": milliseconds(rivalTimeout), "lock_timeout": milliseconds(rivalTimeout / 2)})
	conn, err := catalog.Connect(ctx, config)
	if err != nil {
		return nil, err
	}
	defer func() { _ = catalog.Close(ctx, conn) }()
	return inspect.Unrequested(ctx, conn, roles)
}
