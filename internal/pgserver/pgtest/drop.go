package pgtest

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	dropTimeout  = time.Minute
	dropAttempts = 5

	// dropBatch keeps one statement's locks well below what the server's lock table holds.
	dropBatch = 500
)

// drop removes what the test had. What it cannot remove is logged and stays until the server ends: the test may be
// good all the same.
func (e *Env) drop(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), dropTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, e.adminURL())
	if err != nil {
		tb.Logf("clean up: %v", err)
		return
	}
	defer func() { _ = conn.Close(ctx) }()

	oid, err := e.dropDatabase(ctx, conn)
	if err != nil {
		tb.Logf("drop database %q: %v", e.Database, err)
	}
	if err := e.dropRoles(ctx, conn, oid); err != nil {
		tb.Logf("drop the roles of %q: %v", e.Database, err)
	}
}

// dropDatabase returns the OID that the database had, which the names of its intermediate roles hold; 0 if it was not
// there.
func (e *Env) dropDatabase(ctx context.Context, conn *pgx.Conn) (oid uint32, err error) {
	err = conn.QueryRow(ctx,
		"select coalesce((select oid from pg_database where datname = $1), 0)", e.Database).Scan(&oid)
	if err != nil {
		return 0, err
	}
	// force ends the sessions, and waits some seconds for them.
	for range dropAttempts {
		if _, err = conn.Exec(ctx, "drop database if exists "+e.Database+" with (force)"); err == nil {
			break
		}
	}
	return oid, err
}

// dropRoles drops the youngest first: a grantor goes after those whom it gave something.
func (e *Env) dropRoles(ctx context.Context, conn *pgx.Conn, databaseOID uint32) error {
	rows, err := conn.Query(ctx,
		"select rolname from pg_roles where starts_with(rolname, $1) or starts_with(rolname, $2) order by oid desc",
		e.Prefix, "_pgsr_"+strconv.FormatUint(uint64(databaseOID), 10)+"_")
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (name string, err error) {
		err = row.Scan(&name)
		return pgx.Identifier{name}.Sanitize(), err
	})
	if err != nil {
		return err
	}
	var lastErr error
	for batch := range slices.Chunk(names, dropBatch) {
		list := strings.Join(batch, ", ")
		if _, err := conn.Exec(ctx, "drop role if exists "+list); err == nil { // another test prunes roles of databases that are no more
			continue
		}
		// They hold privileges on something that was not in the database, such as a parameter.
		if _, err := conn.Exec(ctx, "drop owned by "+list+" cascade; drop role "+list); err != nil {
			lastErr = err
		}
	}
	return lastErr
}
