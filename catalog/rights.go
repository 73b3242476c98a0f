package catalog

import (
	"context"
	_ "embed"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Rights is what the connected role may do with another role. A superuser may do all of it.
type Rights struct {
	OID       OID
	Name      string
	Lender    string // the role of which to become a member for its privileges: itself, but for pg_database_owner, whose one member is the database's owner
	Superuser bool   // the lender is a superuser
	Usage     bool   // it inherits the other role's privileges, and so may grant on what that role owns
	Set       bool   // it may SET ROLE to it
	Admin     bool   // it may grant it, alter it and drop it
}

// ownRights is what the connected role may do with itself, as rights.sql says it. It cannot have ADMIN on itself but by CREATEROLE, before 16.
func (s Server) ownRights() Rights {
	return Rights{
		OID: s.RoleOID, Name: s.Role, Lender: s.Role, Superuser: s.Superuser, Usage: true, Set: true,
		Admin: s.Superuser || s.CreateRole && !s.MembershipOptions(),
	}
}

//go:embed rights.sql
var rightsSQL string

// ReadRights reads what the connected role may do with these roles. Roles that do not exist are left out.
func ReadRights(ctx context.Context, q Querier, server Server, oids []OID) (map[OID]Rights, error) {
	rights := make(map[OID]Rights, len(oids))
	oids = slices.Clone(oids)
	if i := slices.Index(oids, server.RoleOID); i >= 0 {
		rights[server.RoleOID] = server.ownRights()
		oids = slices.Delete(oids, i, i+1)
	}
	if len(oids) == 0 {
		return rights, nil
	}
	rows, err := q.Query(ctx, rightsSQL, oids)
	if err != nil {
		return nil, fmt.Errorf("read rights over other roles: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Rights])
	if err != nil {
		return nil, fmt.Errorf("read rights over other roles: %w", err)
	}
	for _, r := range list {
		rights[r.OID] = r
	}
	return rights, nil
}
