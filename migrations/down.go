package migrations

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Left is what Down leaves behind in the cluster.
type Left struct {
	Managed           []string // roles that were managed, with all that they hold
	IntermediateRoles []string
}

// Down removes the schema and nothing else: no access is revoked. Unless forced, it refuses while roles are managed, or
// while something outside the schema depends on it.
func Down(ctx context.Context, config *pgx.ConnConfig, force bool) (left Left, err error) {
	conn, err := connect(ctx, config)
	if err != nil {
		return left, err
	}
	defer func() { _ = catalog.Close(ctx, conn) }()
	version, err := installedVersion(ctx, conn)
	if err != nil {
		return left, err
	}
	if version == 0 {
		return left, dropSchema(ctx, conn)
	}

	for attempt := 1; ; attempt++ {
		left, err = remove(ctx, conn, force)
		var why *pgconn.PgError
		if attempt == maxDeadlocks || !errors.As(err, &why) || why.Code != "40P01" {
			return left, err
		}
	}
}

// maxDeadlocks is how often a daemon at work may be in the way: it holds what dropping the schema waits for, and waits for what that holds.
const maxDeadlocks = 10

func remove(ctx context.Context, conn *pgx.Conn, force bool) (left Left, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		// Nobody may add a row while we look.
		if _, err := tx.Exec(ctx, "lock table sync_roles.desired_grants, sync_roles.desired_roles in share row exclusive mode"); err != nil {
			return fmt.Errorf("lock the desired rows: %w", err)
		}
		left.Managed, err = names(ctx, tx, "select role_name from sync_roles.desired_grants union select role_name from sync_roles.desired_roles order by 1")
		if err != nil {
			return fmt.Errorf("read managed roles: %w", err)
		}
		left.IntermediateRoles, err = names(ctx, tx, "select role_name from sync_roles.intermediate_roles union select role_name from sync_roles.keepers order by 1")
		if err != nil {
			return fmt.Errorf("read intermediate roles: %w", err)
		}
		dependents, err := names(ctx, tx, dependentsSQL)
		if err != nil {
			return fmt.Errorf("read what depends on schema %s: %w", Schema, err)
		}
		switch {
		case len(left.Managed) > 0 && !force:
			return fmt.Errorf("%d roles are managed (%s): delete their rows first, and let a pass revoke what they gave, or use --force to leave all as it is",
				len(left.Managed), some(left.Managed))
		case len(dependents) > 0 && !force:
			return fmt.Errorf("%s depend on schema %s: drop them first, or use --force to drop them too", some(dependents), Schema)
		}
		if _, err = tx.Exec(ctx, "drop schema sync_roles cascade"); err != nil {
			return fmt.Errorf("drop schema %s: %w", Schema, err)
		}
		return nil
	})
	return left, err
}

// dropSchema removes a schema in which no migration has been committed.
func dropSchema(ctx context.Context, conn *pgx.Conn) error {
	var there bool
	err := conn.QueryRow(ctx, "select exists (select from pg_catalog.pg_namespace where nspname = 'sync_roles')").Scan(&there)
	if err != nil {
		return fmt.Errorf("look for schema %s: %w", Schema, err)
	}
	if !there {
		return errors.New("schema sync_roles is not installed in this database")
	}
	_, err = conn.Exec(ctx, "drop schema sync_roles cascade")
	return err
}

// dependentsSQL finds what is outside the schema, depends on something in it, and would be dropped with it.
const dependentsSQL = `
	with ours as (
		select 'pg_class'::regclass as class, oid from pg_catalog.pg_class where relnamespace = 'sync_roles'::regnamespace
		union all
		select 'pg_type'::regclass, oid from pg_catalog.pg_type where typnamespace = 'sync_roles'::regnamespace
		union all
		select 'pg_proc'::regclass, oid from pg_catalog.pg_proc where pronamespace = 'sync_roles'::regnamespace
	)
	select distinct pg_describe_object(
		case when r.oid is null then d.classid else 'pg_class'::regclass end, coalesce(r.ev_class, d.objid), 0)
	from pg_catalog.pg_depend as d
	join ours as o on o.class = d.refclassid and o.oid = d.refobjid
	left join pg_catalog.pg_rewrite as r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
	where d.deptype = 'n'
		and not exists (select from ours as i where i.class = case when r.oid is null then d.classid else 'pg_class'::regclass end and i.oid = coalesce(r.ev_class, d.objid))
		and not exists (select from pg_catalog.pg_constraint as c join ours as i on i.class = 'pg_class'::regclass and i.oid = c.conrelid where d.classid = 'pg_constraint'::regclass and c.oid = d.objid)
		and not exists (select from pg_catalog.pg_trigger as t join ours as i on i.class = 'pg_class'::regclass and i.oid = t.tgrelid where d.classid = 'pg_trigger'::regclass and t.oid = d.objid)
		and d.classid not in ('pg_policy'::regclass, 'pg_attrdef'::regclass, 'pg_event_trigger'::regclass)
	order by 1`

func names(ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]string, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// some lists at most five names.
func some(names []string) string {
	if len(names) > 5 {
		return strings.Join(names[:5], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
