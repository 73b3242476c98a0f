package migrations

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

const oldestServer = 140000

// connect opens a connection to a server on which the schema can be installed.
func connect(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	conn, err := catalog.Connect(ctx, impatient(config))
	if err != nil {
		return nil, err
	}
	var version int
	var standby bool
	err = conn.QueryRow(ctx, "select current_setting('server_version_num')::integer, pg_is_in_recovery()").Scan(&version, &standby)
	switch {
	case err != nil:
		err = fmt.Errorf("ask the server for its version: %w", err)
	case version < oldestServer:
		err = fmt.Errorf("the server is PostgreSQL %d: 14 or later is needed", version/10000)
	case standby:
		err = fmt.Errorf("the server at %s is a standby: connect to the primary", config.Host)
	default:
		err = catalog.StayLocal(ctx, conn)
	}
	if err != nil {
		_ = catalog.Close(ctx, conn)
		return nil, err
	}
	return conn, nil
}

// ensureLockRole makes sure of the role that all passes in this cluster lock (COMMENT ON ROLE), and that we may lock it.
func ensureLockRole(ctx context.Context, conn *pgx.Conn) error {
	var there, mayCreate, mayLock bool
	var me string
	err := conn.QueryRow(ctx, `
		select
			exists (select from pg_catalog.pg_roles where rolname = '_pgsr_lock'),
			rolcreaterole or rolsuper,
			rolsuper or rolcreaterole and (
				current_setting('server_version_num')::integer < 160000
				or coalesce((select pg_has_role(oid, 'MEMBER WITH ADMIN OPTION') from pg_catalog.pg_roles where rolname = '_pgsr_lock'), true)
			),
			quote_ident(rolname)
		from pg_catalog.pg_roles
		where rolname = current_user`).Scan(&there, &mayCreate, &mayLock, &me)
	switch {
	case err != nil:
		return fmt.Errorf("look for role _pgsr_lock: %w", err)
	case !mayCreate:
		return fmt.Errorf("role %s lacks CREATEROLE, without which no role can be managed; as a superuser run: ALTER ROLE %[1]s CREATEROLE", me)
	case !mayLock:
		return mayNotLock(ctx, conn)
	case there:
		return nil
	}
	_, err = conn.Exec(ctx, "create role _pgsr_lock nologin")
	var e *pgconn.PgError
	if errors.As(err, &e) && (e.Code == "42710" || e.Code == "23505") {
		// An installer of another database of the cluster was quicker: is its role one that we may lock?
		return ensureLockRole(ctx, conn)
	}
	if err != nil {
		return fmt.Errorf("create role _pgsr_lock: %w", err)
	}
	return nil
}

// lostAdminSQL lists _pgsr_lock and the intermediate roles of this database, by their names and comments, that the connected role has no ADMIN option
// on. It reads none of the tables in schema sync_roles, because whose these are is not checked yet.
const lostAdminSQL = `
	select r.rolname
	from pg_catalog.pg_roles as r
	join pg_catalog.pg_database as b on b.datname = current_database()
	cross join lateral (select substring(r.rolname::text from '^_pgsr_([0-9]{1,10})_') as digits) as n
	where not pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION')
		and (
			r.rolname = '_pgsr_lock'
			or starts_with(shobj_description(r.oid, 'pg_authid'), 'intermediate role of sync_roles in database ')
			and (
				n.digits = b.oid::text
				-- Of a database that is no more, of which this one is a restored dump.
				or n.digits is not null and not exists (select from pg_catalog.pg_database as d where d.oid::text = n.digits)
				and exists (
					select
					from pg_catalog.pg_shdepend as s
					where s.refclassid = 'pg_catalog.pg_authid'::regclass and s.refobjid = r.oid and s.deptype = 'a' and s.dbid = b.oid
				)
			)
		)
	order by 1`

// mayNotLock says how the connected role can come to lock _pgsr_lock. After an upgrade from PostgreSQL 15 or older it lacks the ADMIN option on all that
// it made, and one statement is for all.
func mayNotLock(ctx context.Context, conn *pgx.Conn) error {
	server, err := catalog.ReadServer(ctx, conn)
	if err != nil {
		return err
	}
	rows, err := conn.Query(ctx, lostAdminSQL)
	var lost []string
	if err == nil {
		lost, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		return fmt.Errorf("look for roles without ADMIN option: %w", err)
	}
	what, who := "role _pgsr_lock, which every pass locks", "a superuser, or as whoever installed sync_roles in another database of this cluster,"
	if others := len(lost) - 1; others > 0 {
		what, who = fmt.Sprintf("%s, nor on %d others that it made, as after an upgrade from PostgreSQL 15 or older", what, others), "a superuser"
	}
	return fmt.Errorf("role %s has no ADMIN option on %s; as %s run: %s", catalog.Quote(server.Role), what, who, catalog.RegainAdmin(lost, server.Role))
}

// adapt brings up to date what depends on the server: the keeper of the lock; the views over catalogs that differ between major versions, after
// pg_upgrade; and the remembered OIDs, after a restore into another cluster or database, where they mean nothing.
func adapt(ctx context.Context, conn *pgx.Conn) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var server, place bool
		err := tx.QueryRow(ctx, `
			select
				i.server_version = current_setting('server_version_num')::integer / 10000,
				i.system_identifier = s.system_identifier and i.database_oid = d.oid
			from sync_roles.installation as i, pg_catalog.pg_control_system() as s, pg_catalog.pg_database as d
			where d.datname = current_database()`).Scan(&server, &place)
		if err != nil {
			return fmt.Errorf("read where schema %s was installed: %w", Schema, err)
		}
		if !server {
			if _, err := tx.Exec(ctx, "select sync_roles.adapt_to_server()"); err != nil {
				return fmt.Errorf("adapt schema %s to this server: %w", Schema, err)
			}
		}
		if !place {
			if err := resettle(ctx, tx); err != nil {
				return err
			}
		}
		return ensureLockKeeper(ctx, tx)
	})
}
