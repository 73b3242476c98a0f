package migrations

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// lockKeeper is the role as which daemons lock _pgsr_lock, as it is.
type lockKeeper struct {
	derived    string // the name that it should have
	registered string // the name that the registered role has; empty: there is none
	works      bool   // it can lock, and the connected role can become it
	namesake   bool   // there is an unregistered role of the derived name
	problem    string // which was not made here
}

const lockKeeperSQL = `
	select
		n.keeper,
		coalesce(k.rolname::text, ''),
		(
			k.rolcreaterole and pg_has_role(k.oid, l.oid, 'MEMBER WITH ADMIN OPTION')
			and pg_has_role(k.oid, case when current_setting('server_version_num')::integer >= 160000 then 'SET' else 'MEMBER' end)
		) is true,
		r.oid is not null,
		coalesce(sync_roles.keeper_problem(r.oid, true), '')
	from pg_catalog.pg_database as d
	cross join lateral (select format('_pgsr_%s_keeper_lock', d.oid)) as n (keeper)
	left join (
		select r.*
		from sync_roles.keepers as k
		join pg_catalog.pg_roles as r on r.oid = k.role_oid
		where k.locks
	) as k on true
	left join pg_catalog.pg_roles as r on r.rolname = n.keeper and r.oid is distinct from k.oid
	left join pg_catalog.pg_roles as l on l.rolname = '_pgsr_lock'
	where d.datname = current_database()`

// ensureLockKeeper makes sure of the role as which daemons lock _pgsr_lock. Whoever locks a role must have CREATEROLE, and ADMIN on it; since
// PostgreSQL 16 the check looks through all roles that it has ADMIN on, which for the daemon is every role that it created (is_admin_of_role in
// acl.c). This role has ADMIN on one. Without it, daemons lock as themselves.
func ensureLockKeeper(ctx context.Context, tx pgx.Tx) error {
	server, err := catalog.ReadServer(ctx, tx)
	if err != nil {
		return err
	}
	if !server.MembershipOptions() || server.Superuser || server.Citus { // as plan.UsesKeepers
		return nil
	}
	var k lockKeeper
	if err := tx.QueryRow(ctx, lockKeeperSQL).Scan(&k.derived, &k.registered, &k.works, &k.namesake, &k.problem); err != nil {
		return fmt.Errorf("look for the keeper of role _pgsr_lock: %w", err)
	}
	if k.works && (k.registered == k.derived || k.namesake) {
		return nil
	}
	name, statements := k.statements(server)
	for _, sql := range statements {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return fmt.Errorf("make the keeper of role _pgsr_lock: %s: %w", sql, err)
		}
	}
	_, err = tx.Exec(ctx, `
		insert into sync_roles.keepers (role_oid, role_name, locks)
		select r.oid, r.rolname, true from pg_catalog.pg_roles as r where r.rolname = $1
		on conflict (locks) where locks do update set role_oid = excluded.role_oid, role_name = excluded.role_name`, name)
	if err != nil {
		return fmt.Errorf("register the keeper of role _pgsr_lock: %w", err)
	}
	if k.registered == "" && k.namesake && k.problem == "" {
		return stillOurs(ctx, tx, name)
	}
	return nil // a role that is not ours, and has the name, is reported by the next rescan
}

// statements make the keeper, or put it right, and name says which role it is.
func (k lockKeeper) statements(server catalog.Server) (name string, statements []string) {
	name = k.derived
	switch {
	case k.registered != "" && (k.registered == k.derived || k.namesake):
		name = k.registered // it works under any name
	case k.registered != "":
		statements = append(statements, fmt.Sprintf("alter role %s rename to %s", catalog.Quote(k.registered), catalog.Quote(k.derived)))
	case k.namesake && k.problem == "": // from an earlier installation
	case k.namesake:
		var random [12]byte
		_, _ = rand.Read(random[:]) // it never returns an error
		name = fmt.Sprintf("_pgsr_%d_keeper_lock_%s", server.DatabaseOID, hex.EncodeToString(random[:]))
		statements = append(statements, "create role "+catalog.Quote(name)+" nologin noinherit createrole")
	default:
		statements = append(statements, "create role "+catalog.Quote(name)+" nologin noinherit createrole")
	}
	quoted := catalog.Quote(name)
	return name, append(statements,
		"comment on role "+quoted+" is 'as this role, daemons of pg-sync-roles lock _pgsr_lock'", // this waits for whoever is granting it
		"alter role "+quoted+" nologin noinherit createrole",
		"grant _pgsr_lock to "+quoted+" with admin true, inherit false, set false",
		"grant "+quoted+" to "+catalog.Quote(server.Role)+" with inherit false, set true")
}

// stillOurs looks again at a role that was there before: a GRANT of it may have been committed since.
func stillOurs(ctx context.Context, tx pgx.Tx, name string) error {
	var problem *string
	err := tx.QueryRow(ctx, "select sync_roles.keeper_problem(r.oid, true) from pg_catalog.pg_roles as r where r.rolname = $1", name).Scan(&problem)
	if err != nil {
		return fmt.Errorf("look again at role %q: %w", name, err)
	}
	if problem != nil {
		return fmt.Errorf("role %q was changed while it was taken for the keeper of role _pgsr_lock: %s: run pg-sync-roles migrate again", name, *problem)
	}
	return nil
}
