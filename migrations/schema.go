package migrations

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

//go:embed installer/strangers.sql
var strangersSQL string

//go:embed installer/privileges.sql
var privilegesSQL string

// ensureSchema makes sure that the schema exists and belongs to the connected role itself: whoever else owned it could put other code in the place of
// ours. It is not part of the migrations because golang-migrate's version table lives in it. created reports whether this call made it.
func ensureSchema(ctx context.Context, conn *pgx.Conn) (created bool, err error) {
	var owner *string
	var me string
	err = conn.QueryRow(ctx, `
		select r.rolname, current_user
		from (values (1)) as one
		left join pg_catalog.pg_namespace as n on n.nspname = 'sync_roles'
		left join pg_catalog.pg_roles as r on r.oid = n.nspowner`).Scan(&owner, &me)
	switch {
	case err != nil:
		return false, fmt.Errorf("look for schema %s: %w", Schema, err)
	case owner != nil && *owner != me:
		return false, notOwner{*owner, me}
	case owner != nil:
		return false, nil
	}
	_, err = conn.Exec(ctx, "create schema sync_roles")
	var e *pgconn.PgError
	if errors.As(err, &e) && (e.Code == "42P06" || e.Code == "23505") {
		// Another installer was quicker: is its schema ours?
		return ensureSchema(ctx, conn)
	}
	if err != nil {
		return false, fmt.Errorf("create schema %s (the role needs it granted: GRANT CREATE ON DATABASE %s TO %s): %w",
			Schema, catalog.Quote(conn.Config().Database), catalog.Quote(me), err)
	}
	return true, nil
}

// ErrNotOwner is that the schema belongs to another role than the connected one.
var ErrNotOwner = errors.New("not the schema's owner")

type notOwner struct{ owner, me string }

func (e notOwner) Error() string {
	return fmt.Sprintf("schema %s belongs to role %q, and only its owner installs and upgrades it: connect as that role; or, to hand it over, as a superuser run: ALTER SCHEMA %[1]s OWNER TO %s, and the same for everything in it",
		Schema, e.owner, catalog.Quote(e.me))
}

func (e notOwner) Is(target error) bool { return target == ErrNotOwner }

// CheckContents returns an error if something in the schema, or on its tables, would be run or read with the owner's rights and is another role's.
func CheckContents(ctx context.Context, q catalog.Querier) error {
	type stranger struct{ What, Fix string }
	rows, err := q.Query(ctx, strangersSQL)
	if err != nil {
		return fmt.Errorf("look for what others have in schema %s: %w", Schema, err)
	}
	strangers, err := pgx.CollectRows(rows, pgx.RowToStructByPos[stranger])
	if err != nil {
		return fmt.Errorf("look for what others have in schema %s: %w", Schema, err)
	}
	if len(strangers) == 0 {
		return nil
	}
	var b strings.Builder
	for _, s := range strangers {
		if s.Fix == "" {
			s.Fix = "save the rows, run pg-sync-roles migrate down --force and then migrate, and write the rows again"
		}
		fmt.Fprintf(&b, "\n- %s\n  to remove it: %s", s.What, s.Fix)
	}
	return fmt.Errorf("schema %s has what pg-sync-roles did not make, and would run or read with its owner's rights:%s", Schema, b.String())
}

// checkedContents returns what is in the schema, by OID, if it is ours or empty.
func checkedContents(ctx context.Context, tx pgx.Tx) ([]uint32, error) {
	if err := CheckContents(ctx, tx); err != nil {
		return nil, err
	}
	version, err := installedVersion(ctx, tx.Conn())
	if err != nil {
		return nil, err
	}
	contents, names, err := schemaContents(ctx, tx)
	if err != nil {
		return nil, err
	}
	if version == 0 && len(names) > 0 {
		return nil, fmt.Errorf("schema %s exists, and is neither empty nor made by pg-sync-roles (%s): drop it, or what is in it", Schema, some(names))
	}
	return contents, nil
}

// schemaContents lists the schema itself and the relations and functions in it, and names those that are not of an installation that was interrupted.
func schemaContents(ctx context.Context, tx pgx.Tx) (oids []uint32, names []string, err error) {
	rows, err := tx.Query(ctx, `
		select n.oid, null
		from pg_catalog.pg_namespace as n
		where n.nspname = 'sync_roles'
		union all
		select c.oid, case when c.relname <> 'schema_migrations' then c.oid::regclass::text end
		from pg_catalog.pg_class as c
		where c.relnamespace = 'sync_roles'::regnamespace and c.relkind not in ('i', 'I')
		union all
		select p.oid, p.oid::regprocedure::text
		from pg_catalog.pg_proc as p
		where p.pronamespace = 'sync_roles'::regnamespace`)
	if err != nil {
		return nil, nil, fmt.Errorf("read what schema %s has: %w", Schema, err)
	}
	type part struct {
		OID  uint32
		Name *string
	}
	parts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[part])
	if err != nil {
		return nil, nil, fmt.Errorf("read what schema %s has: %w", Schema, err)
	}
	for _, p := range parts {
		oids = append(oids, p.OID)
		if p.Name != nil {
			names = append(names, *p.Name)
		}
	}
	return oids, names, nil
}

// repairPrivileges revokes what others hold in the schema and should not, by default privileges or by hand; existing has the OIDs from before.
func repairPrivileges(ctx context.Context, tx pgx.Tx, existing []uint32) error {
	statements, err := names(ctx, tx, privilegesSQL, existing)
	if err != nil {
		return fmt.Errorf("compare the privileges in schema %s: %w", Schema, err)
	}
	for _, sql := range statements {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return fmt.Errorf("put the privileges in schema %s right: %s: %w", Schema, sql, err)
		}
	}
	// A REVOKE of what another role has granted reports success and changes nothing.
	left, err := names(ctx, tx, privilegesSQL, existing)
	switch {
	case err != nil:
		return fmt.Errorf("compare the privileges in schema %s: %w", Schema, err)
	case len(left) > 0:
		return fmt.Errorf("put the privileges in schema %s right: another role has granted some; as that role, or as a superuser after SET ROLE to it, run: %s", Schema, strings.Join(left, "; "))
	}
	return nil
}
