package migrations

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"
)

//go:embed installer/resettle_intermediates.sql
var resettleIntermediatesSQL string

// resettle makes a registry from another cluster or database one of here. Where the cluster came along (pg_upgrade, a physical copy, pg_dumpall), so did
// the roles, and they are found again by name; each is checked as an unregistered role would be. What is not found again is forgotten: an OID from
// elsewhere says nothing.
func resettle(ctx context.Context, tx pgx.Tx) error {
	if err := resettleKeepers(ctx, tx); err != nil {
		return err
	}
	for _, sql := range []string{
		"truncate sync_roles.resolved_objects, sync_roles.applied_passwords, sync_roles.lost_memberships, sync_roles.suspended_roles",
		resettleIntermediatesSQL,
		`update sync_roles.installation set system_identifier = s.system_identifier, database_oid = d.oid
		from pg_catalog.pg_control_system() as s, pg_catalog.pg_database as d
		where d.datname = current_database()`,
	} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return fmt.Errorf("forget what schema %s remembers of another cluster: %w", Schema, err)
		}
	}
	return nil
}

// keeper is a row of sync_roles.keepers.
type keeper struct {
	OID   uint32
	Name  string
	Locks bool
	Slot  *int
}

// resettleKeepers writes the registry of keepers again, with their OIDs of here, for those that were made for this database, or for one that is no
// more. Keepers of an existing other database are that one's: this one is its copy.
func resettleKeepers(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `
		select r.oid, r.rolname, k.locks, k.slot
		from sync_roles.keepers as k
		join pg_catalog.pg_roles as r on r.rolname = k.role_name
		left join pg_catalog.pg_database as d on d.oid = sync_roles.foreign_database(k.role_name)
		where k.role_name ~ '^_pgsr_[0-9]+_keeper_' and d.oid is null and sync_roles.keeper_problem(r.oid, k.locks) is null`)
	var list []keeper
	if err == nil {
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[keeper])
	}
	if err != nil {
		return fmt.Errorf("look for keepers that came along: %w", err)
	}
	if _, err := tx.Exec(ctx, "delete from sync_roles.keepers"); err != nil {
		return fmt.Errorf("forget keepers of another cluster: %w", err)
	}
	for _, k := range list {
		_, err := tx.Exec(ctx, "insert into sync_roles.keepers (role_oid, role_name, locks, slot) values ($1, $2, $3, $4)", k.OID, k.Name, k.Locks, k.Slot)
		if err != nil {
			return fmt.Errorf("register keeper %q: %w", k.Name, err)
		}
	}
	return nil
}
