package inspect

import (
	"context"
	"fmt"
	"slices"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

var (
	contestedSQL = query("contested")
	rivalsSQL    = query("rivals")
)

const (
	// otherDatabasesSQL lists first those that a daemon is connected to.
	otherDatabasesSQL = `
		select d.datname
		from pg_catalog.pg_database as d
		where d.datallowconn and not d.datistemplate and d.datname <> current_database() and has_database_privilege(d.oid, 'CONNECT')
		order by exists (select from pg_catalog.pg_stat_activity as a where a.datid = d.oid and a.application_name = 'pg-sync-roles') desc, d.datname
		limit $1`

	// ownAuditSQL tells whether the audit of a database is this role's own. Whoever else owned it could have this session run code.
	ownAuditSQL = `
		select exists (
			select
			from pg_catalog.pg_class as c
			join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
			join pg_catalog.pg_roles as me on me.rolname = current_user
			where n.nspname = 'sync_roles' and c.relname = 'audit' and c.relkind = 'r' and n.nspowner = me.oid and c.relowner = me.oid and not c.relforcerowsecurity
		)`

	oftenChangedSQL = `
		select s.role_name
		from unnest($1::text[], $2::text[]) as s (role_name, sql)
		where sync_roles.is_shared_change(s.sql)
		group by s.role_name
		having count(*) > 1`
)

// Contest is a statement for a role that another session undoes each time.
type Contest struct{ RoleName, Statement string }

// Contested lists what is undone again and again, and the roles of which that is noted. active says that something was done just now.
func Contested(ctx context.Context, q catalog.Querier, active bool) (list []Contest, known []string, err error) {
	if list, err = catalog.Collect[Contest](ctx, q, contestedSQL, active); err != nil {
		return nil, nil, fmt.Errorf("look for roles that are changed back again and again: %w", err)
	}
	if known, err = catalog.Column[string](ctx, q, "select role_name from sync_roles.contested"); err != nil {
		return nil, nil, fmt.Errorf("read contested roles: %w", err)
	}
	return list, known, nil
}

// OtherDatabases lists at most so many databases to which the role can connect.
func OtherDatabases(ctx context.Context, q catalog.Querier, limit int) ([]string, error) {
	return catalog.Column[string](ctx, q, otherDatabasesSQL, limit)
}

// Unrequested lists what the daemon of another database does for these roles without a request; nothing where the audit there is not the role's own.
func Unrequested(ctx context.Context, other catalog.Querier, roles []string) ([]Contest, error) {
	var own bool
	if err := other.QueryRow(ctx, ownAuditSQL).Scan(&own); err != nil || !own {
		return nil, err
	}
	return catalog.Collect[Contest](ctx, other, rivalsSQL, roles)
}

// OftenChanged lists the roles of which the statements change more than once what databases share.
func OftenChanged(ctx context.Context, q catalog.Querier, list []Contest) ([]string, error) {
	roles, statements := make([]string, len(list)), make([]string, len(list))
	for i, c := range list {
		roles[i], statements[i] = c.RoleName, c.Statement
	}
	result, err := catalog.Column[string](ctx, q, oftenChangedSQL, roles, statements)
	slices.Sort(result)
	return result, err
}
