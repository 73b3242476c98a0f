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
		return fmt.Errorf("role %s has no ADMIN option on role _pgsr_lock, which every pass locks; as a superuser, or as whoever installed sync_roles in another database of this cluster, run: GRANT _pgsr_lock TO %[1]s WITH ADMIN TRUE, INHERIT FALSE, SET FALSE", me)
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
