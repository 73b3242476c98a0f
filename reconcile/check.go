package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/failure"
	"github.com/pg-sync-roles/pg-sync-roles/migrations"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/inspect"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// ErrSchema is that the schema is missing, or of an older version: migrations.Up is needed.
var ErrSchema = errors.New("schema sync_roles is missing or old")

// schemaError is an ErrSchema in words.
type schemaError string

func (e schemaError) Error() string   { return string(e) }
func (e schemaError) Is(t error) bool { return t == ErrSchema }

// ErrStandby is of the moment: a standby can become the primary.
var ErrStandby = errors.New("the server is a standby, to which nothing can be written: connect to the primary, or name all hosts")

// check finds out before the first pass what would make every pass fail, or worse.
func (e *Engine) check(ctx context.Context) error {
	var err error
	if e.server, err = catalog.ReadServer(ctx, e.conn); err != nil {
		return err
	}
	s := e.server
	if s.Version < 14 {
		return fmt.Errorf("the server is PostgreSQL %d: 14 or later is needed", s.Version)
	}
	var installed, standby, owner, createRole bool
	err = e.conn.QueryRow(ctx, `
		select
			n.oid is not null and to_regclass('sync_roles.installation') is not null,
			pg_is_in_recovery(),
			coalesce(pg_has_role(n.nspowner, 'USAGE'), false),
			r.rolsuper or r.rolcreaterole
		from pg_catalog.pg_roles as r
		left join pg_catalog.pg_namespace as n on n.nspname = 'sync_roles'
		where r.rolname = current_user`).Scan(&installed, &standby, &owner, &createRole)
	switch {
	case err != nil:
		return fmt.Errorf("look for schema sync_roles: %w", err)
	case standby:
		return ErrStandby
	case !installed:
		return schemaError(fmt.Sprintf("database %q has no schema sync_roles: run pg-sync-roles migrate", s.Database))
	case !owner:
		return fmt.Errorf("schema sync_roles in database %q belongs to another role: connect as its owner, or as a member of it", s.Database)
	case !createRole:
		return fmt.Errorf("role %q lacks CREATEROLE; as a superuser run: %s", s.Role, plan.AttributeFix(s.Role, "CREATEROLE"))
	case !s.Superuser && !s.Inherit && !s.MembershipOptions():
		return fmt.Errorf("role %q is NOINHERIT, and so cannot grant on what others own; as a superuser run: %s", s.Role, plan.AttributeFix(s.Role, "INHERIT"))
	}
	if err := e.checkVersion(ctx); err != nil {
		return err
	}
	if err := e.checkContents(ctx); err != nil {
		return err
	}
	if e.relations, err = inspect.Relations(ctx, e.conn, s.Role); err != nil {
		return err
	}
	if s.Citus {
		if err := catalog.UseOneConnection(ctx, e.conn); err != nil {
			return err
		}
	}
	return e.findLockKeeper(ctx)
}

// checkContents finds what others have put into the schema. It takes longer than all else that an engine does when it resumes, and only the schema's owner
// could have put it there meanwhile.
func (e *Engine) checkContents(ctx context.Context) error {
	if time.Since(e.contentsChecked) < wholeAfter {
		return nil
	}
	if err := migrations.CheckContents(ctx, e.conn); err != nil {
		return err
	}
	e.contentsChecked = time.Now()
	return nil
}

func (e *Engine) checkVersion(ctx context.Context) error {
	var version, server int
	var here bool
	err := e.conn.QueryRow(ctx, `
		select i.schema_version, i.server_version, i.system_identifier || '/' || i.database_oid, i.system_identifier = s.system_identifier and i.database_oid = $1
		from sync_roles.installation as i, pg_catalog.pg_control_system() as s`, e.server.DatabaseOID).Scan(&version, &server, &e.place, &here)
	if err != nil {
		return fmt.Errorf("read the version of schema sync_roles: %w", err)
	}
	if err := migrations.CheckNotNewer(version); err != nil {
		return err
	}
	switch latest := migrations.Latest(); {
	case !here:
		return elsewhereError(e.server.Database)
	case version < latest || server != e.server.Version:
		return schemaError(fmt.Sprintf("schema sync_roles has version %d for PostgreSQL %d, and this program needs %d for %d: run pg-sync-roles migrate", version, server, latest, e.server.Version))
	}
	return nil
}

// copiedSchemaError is that the OIDs which the schema knows are of another cluster or database. It is an ErrSchema, because migrations.Up puts it right.
type copiedSchemaError string

func (e copiedSchemaError) Error() string        { return string(e) }
func (e copiedSchemaError) Is(t error) bool      { return t == ErrSchema }
func (e copiedSchemaError) Class() failure.Class { return failure.Disconnected } // opening anew says so

func elsewhereError(database string) error {
	return copiedSchemaError(fmt.Sprintf("schema sync_roles in database %q was restored or copied from elsewhere, and the OIDs that it knows are of other roles here: run pg-sync-roles migrate", database))
}

// readyWait is for how long Ready waits for the lock. Whoever has it has nothing to do with our right to it.
const readyWait = 100 * time.Millisecond

// Ready takes the lock and releases it: a daemon without the right to it should say so when it starts.
func (e *Engine) Ready(ctx context.Context) error {
	if _, err := e.conn.Exec(ctx, "set lock_timeout = "+milliseconds(min(readyWait, e.lockTimeout))); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	tx, err := e.beginLocked(ctx, e.lockTimeout, e.statementTimeout)
	if err == nil {
		err = tx.Rollback(ctx)
	}
	if failure.SQLState(err) == "55P03" {
		err = nil
	}
	if err != nil {
		return err
	}
	if _, err := e.conn.Exec(ctx, "set lock_timeout = "+milliseconds(e.lockTimeout)); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	return nil
}
