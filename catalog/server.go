package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Server describes the server of a connection, and the connected role.
type Server struct {
	Version     int // the major version
	DatabaseOID OID
	Database    string
	Role        string // the connected role
	RoleOID     OID
	SchemaOwner string // of schema sync_roles; empty: there is none
	Superuser   bool
	CreateDB    bool
	CreateRole  bool
	Replication bool
	BypassRLS   bool
	Inherit     bool // the role inherits what it is a member of; on PostgreSQL 14 and 15 all or nothing
	Citus       bool // the database is one of Citus, which repeats statements on its other nodes
}

// MembershipOptions reports whether each membership has its own INHERIT and SET options, and each grantor its own row.
func (s Server) MembershipOptions() bool { return s.Version >= 16 }

// NamesGrantors reports whether GRANT and REVOKE on objects can name another grantor than the role that runs them, which inherits from it (GRANTED BY).
func (s Server) NamesGrantors() bool { return s.Version >= 19 }

// Querier is what reading needs: a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// ReadServer reads the properties of the server and of the connected role.
func ReadServer(ctx context.Context, q Querier) (s Server, err error) {
	err = q.QueryRow(ctx, `
		select current_setting('server_version_num')::integer / 10000, d.oid, d.datname, r.rolname, r.oid,
			coalesce((select o.rolname from pg_catalog.pg_namespace as n join pg_catalog.pg_roles as o on o.oid = n.nspowner where n.nspname = 'sync_roles'), ''),
			r.rolsuper, r.rolcreatedb, r.rolcreaterole, r.rolreplication, r.rolbypassrls, r.rolinherit,
			exists (select from pg_catalog.pg_extension as e where e.extname = 'citus')
		from pg_catalog.pg_database as d, pg_catalog.pg_roles as r
		where d.datname = current_database() and r.rolname = current_user`).
		Scan(&s.Version, &s.DatabaseOID, &s.Database, &s.Role, &s.RoleOID, &s.SchemaOwner, &s.Superuser, &s.CreateDB, &s.CreateRole, &s.Replication, &s.BypassRLS, &s.Inherit, &s.Citus)
	if err != nil {
		return s, fmt.Errorf("read the properties of the server and the connected role: %w", err)
	}
	return s, nil
}
