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
)

// Attributes and memberships are the cluster's, and each database has its own rows. Where those of two databases contradict each other, each daemon undoes
// at every rescan what the other did, and each finds the role in order afterwards. What shows it is the audit: the same statement again and again, for
// which nobody asked.

var (
	contestedSQL = query("contested")
	rivalsSQL    = query("rivals")
)

// contest is a statement for a role that something undoes each time.
type contest struct{ Role, SQL string }

// reportContested notes for role_status which roles are contested, and by which database. With nothing to note it writes nothing. active says that
// something was done just now.
func (e *Engine) reportContested(ctx context.Context, active bool) error {
	var list []contest
	var known []string
	err := e.briefly(ctx, func(tx pgx.Tx) (err error) {
		if list, err = collect[contest](ctx, tx, contestedSQL, active); err != nil {
			return fmt.Errorf("look for roles that are changed back again and again: %w", err)
		}
		if known, err = names(ctx, tx, "select role_name from sync_roles.contested"); err != nil {
			return fmt.Errorf("read contested roles: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var fresh []contest
	over := asSet(known)
	for _, c := range list {
		if !over[c.Role] {
			fresh = append(fresh, c)
		}
		delete(over, c.Role)
	}
	if len(fresh)+len(over) == 0 {
		return nil
	}
	rivals := e.rivals(ctx, fresh)
	batch := &pgx.Batch{}
	if len(over) > 0 {
		batch.Queue("delete from sync_roles.contested where role_name = any ($1)", keys(over))
	}
	for _, c := range fresh {
		problem := c.problem(rivals[c.Role])
		batch.Queue("insert into sync_roles.contested (role_name, problems) values ($1, $2) on conflict (role_name) do update set problems = excluded.problems", c.Role, []Problem{problem})
		e.log.Warn().Str("role", c.Role).Strs("databases", rivals[c.Role]).Str("statement", c.SQL).Msg("something undoes this each time it is done")
	}
	if err := e.conn.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("note which roles are contested: %w", err)
	}
	return nil
}

// problem says it to people.
func (c contest) problem(rivals []string) Problem {
	who := "something undoes it each time: another tool, a person, or rows of a database that the daemon cannot look into"
	if len(rivals) > 0 {
		quoted := make([]string, len(rivals))
		for i, name := range rivals {
			quoted[i] = fmt.Sprintf("%q", name)
		}
		who = fmt.Sprintf("rows of database %s ask for something else and undo it each time: let the rows of one database hold a role's attributes and memberships", strings.Join(quoted, ", "))
	}
	return Problem{Kind: Blocked, Object: "role " + c.Role, Reason: fmt.Sprintf("%s was run again and again, and %s", c.SQL, who)}
}

// Looking into other databases is bounded: it is only so that a person finds the cause sooner, and a rescan waits for it.
const (
	maxRivals     = 100
	rivalTimeout  = 2 * time.Second
	rivalsTimeout = 5 * time.Second
)

// otherDatabasesSQL lists first those that a daemon is connected to.
const otherDatabasesSQL = `
	select d.datname
	from pg_catalog.pg_database as d
	where d.datallowconn and not d.datistemplate and d.datname <> current_database() and has_database_privilege(d.oid, 'CONNECT')
	order by exists (select from pg_catalog.pg_stat_activity as a where a.datid = d.oid and a.application_name = 'pg-sync-roles') desc, d.datname
	limit $1`

// rivals looks for the databases of which the daemon changes the same roles, too. One that cannot be looked into is passed by.
func (e *Engine) rivals(ctx context.Context, list []contest) map[string][]string {
	found := map[string][]string{}
	if len(list) == 0 {
		return found
	}
	roles := map[string]bool{}
	for _, c := range list {
		roles[c.Role] = true
	}
	databases, err := names(ctx, e.conn, otherDatabasesSQL, maxRivals)
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
		names, err := e.contestedIn(ctx, database, keys(roles), min(left, rivalTimeout))
		if err != nil {
			e.log.Debug().Err(err).Str("other", database).Msg("cannot look into a database that may contest roles")
		}
		for _, role := range names {
			found[role] = append(found[role], database)
		}
	}
	return found
}

// ownAuditSQL tells whether the audit of a database is this role's own. Whoever else owned it could have this session run code.
const ownAuditSQL = `
	select exists (
		select
		from pg_catalog.pg_class as c
		join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
		join pg_catalog.pg_roles as me on me.rolname = current_user
		where n.nspname = 'sync_roles' and c.relname = 'audit' and c.relkind = 'r' and n.nspowner = me.oid and c.relowner = me.oid and not c.relforcerowsecurity
	)`

// contestedIn returns which of these roles another database changes again and again. The time is for what is read there: when a context ends, pgx closes
// the connection that waits by it, and that must not be the one by which the daemon works.
func (e *Engine) contestedIn(ctx context.Context, database string, roles []string, within time.Duration) ([]string, error) {
	there, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	list, err := e.changesIn(there, database, roles)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return e.oftenChanged(ctx, list)
}

// changesIn reads what another database does for these roles without a request.
func (e *Engine) changesIn(ctx context.Context, database string, roles []string) ([]contest, error) {
	config := e.conn.Config()
	config.Database = database
	maps.Copy(config.RuntimeParams, map[string]string{"default_transaction_read_only": "on", "statement_timeout": milliseconds(rivalTimeout), "lock_timeout": milliseconds(rivalTimeout / 2)})
	conn, err := catalog.Connect(ctx, config)
	if err != nil {
		return nil, err
	}
	defer func() { _ = catalog.Close(ctx, conn) }()
	var ours bool
	if err := conn.QueryRow(ctx, ownAuditSQL).Scan(&ours); err != nil || !ours {
		return nil, err
	}
	return collect[contest](ctx, conn, rivalsSQL, roles)
}

// oftenChanged lists the roles of which the statements change more than once what databases share.
func (e *Engine) oftenChanged(ctx context.Context, list []contest) ([]string, error) {
	roles, statements := make([]string, len(list)), make([]string, len(list))
	for i, c := range list {
		roles[i], statements[i] = c.Role, c.SQL
	}
	result, err := names(ctx, e.conn, `
		select s.role_name
		from unnest($1::text[], $2::text[]) as s (role_name, sql)
		where sync_roles.is_shared_change(s.sql)
		group by s.role_name
		having count(*) > 1`, roles, statements)
	slices.Sort(result)
	return result, err
}
