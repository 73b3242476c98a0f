package migrations

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const lockKeeperSQL = `
	select
		n.keeper,
		current_setting('server_version_num')::integer >= 160000 and not me.rolsuper
			and not (
				r.rolcreaterole and exists (select from sync_roles.keepers as k where k.role_oid = r.oid)
				and pg_has_role(r.oid, l.oid, 'MEMBER WITH ADMIN OPTION') and pg_has_role(r.oid, case when current_setting('server_version_num')::integer >= 160000 then 'SET' else 'MEMBER' end)
			) is true
			-- Somebody else's role of this name is left alone.
			and (r.oid is null or not r.rolsuper and pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION')),
		r.oid is not null
	from pg_catalog.pg_roles as me
	join pg_catalog.pg_database as d on d.datname = current_database()
	cross join lateral (select format('_pgsr_%s_keeper_lock', d.oid)) as n (keeper)
	left join pg_catalog.pg_roles as r on r.rolname = n.keeper
	left join pg_catalog.pg_roles as l on l.rolname = '_pgsr_lock'
	where me.rolname = current_user`

// ensureLockKeeper makes sure of the role as which daemons lock _pgsr_lock. Whoever locks a role must have CREATEROLE, and ADMIN on it; since
// PostgreSQL 16 the check looks through all roles that it has ADMIN on, which for the daemon is every role that it created (is_admin_of_role in
// acl.c). This role has ADMIN on one. Without it, daemons lock as themselves.
func ensureLockKeeper(ctx context.Context, tx pgx.Tx) error {
	var keeper string
	var needed, there bool
	if err := tx.QueryRow(ctx, lockKeeperSQL).Scan(&keeper, &needed, &there); err != nil {
		return fmt.Errorf("look for the keeper of role _pgsr_lock: %w", err)
	}
	if !needed {
		return nil
	}
	found := "create role "
	if there { // since an earlier installation
		found = "alter role "
	}
	for _, sql := range []string{
		found + keeper + " nologin noinherit createrole",
		"comment on role " + keeper + " is 'as this role, daemons of pg-sync-roles lock _pgsr_lock'",
		"grant _pgsr_lock to " + keeper + " with admin true, inherit false, set false",
		"grant " + keeper + " to current_user with inherit false, set true",
		"insert into sync_roles.keepers (role_oid, role_name) select oid, rolname from pg_catalog.pg_roles where rolname = '" + keeper + "' on conflict (role_name) do update set role_oid = excluded.role_oid",
	} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return fmt.Errorf("make the keeper of role _pgsr_lock: %s: %w", sql, err)
		}
	}
	return nil
}
