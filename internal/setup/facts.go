package setup

import (
	"context"
	_ "embed"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// facts are what a server has of a request.
type facts struct {
	Version       int    `db:"version"`
	Database      string `db:"database"`
	DatabaseOwner string `db:"database_owner"`
	Provider      string `db:"provider"` // the role by which a managed service is known; empty: none
	RoleExists    bool   `db:"role_exists"`
	Login         bool   `db:"login"`
	CreateRole    bool   `db:"createrole"`
	Superuser     bool   `db:"superuser"`
	MayCreate     bool   `db:"may_create"`  // a schema in the database
	MayConnect    bool   `db:"may_connect"` // and grant that
	LockExists    bool   `db:"lock_exists"`
	LockAdmin     bool   `db:"lock_admin"`

	roles []role
}

// role is another role, and what the daemon's has of it.
type role struct {
	Name      string `db:"name"`
	Superuser bool   `db:"superuser"`
	Owns      bool   `db:"owns"` // something in the database
	Inherits  bool   `db:"inherits"`
	Sets      bool   `db:"sets"`
	Admin     bool   `db:"admin"`
}

var (
	//go:embed facts.sql
	factsSQL string
	//go:embed roles.sql
	rolesSQL string
)

// read reads them, of the roles that are named and of those that own something in the database.
func read(ctx context.Context, q catalog.Querier, r Request) (*facts, error) {
	rows, err := q.Query(ctx, factsSQL, r.Role)
	if err != nil {
		return nil, fmt.Errorf("read what the server has: %w", err)
	}
	f, err := pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByName[facts])
	if err != nil {
		return nil, fmt.Errorf("read what the server has: %w", err)
	}
	set := "SET" // MEMBER before 16, where every member may
	if !f.membershipOptions() {
		set = "MEMBER"
	}
	f.roles, err = catalog.Collect[role](ctx, q, rolesSQL, r.Role, append(slices.Clone(r.Owners), r.Manage...), set)
	if err != nil {
		return nil, fmt.Errorf("read the roles that own something: %w", err)
	}
	return f, nil
}

// membershipOptions reports whether memberships have INHERIT and SET, and CREATEROLE needs ADMIN.
func (f *facts) membershipOptions() bool { return f.Version >= 16 }

func (f *facts) role(name string) *role {
	i := slices.IndexFunc(f.roles, func(r role) bool { return r.Name == name })
	if i < 0 {
		return nil
	}
	return &f.roles[i]
}

// named are the roles of these names; without names, those that own something.
func (f *facts) named(names []string, r Request) (list []role) {
	for _, name := range names {
		list = append(list, *f.role(name))
	}
	if len(names) > 0 {
		return list
	}
	for _, other := range f.roles {
		if other.Owns && !other.Superuser && other.Name != r.Role {
			list = append(list, other)
		}
	}
	return list
}

// superusers are those that own something that rows cannot speak of.
func (f *facts) superusers() (names []string) {
	for _, other := range f.roles {
		if other.Owns && other.Superuser {
			names = append(names, other.Name)
		}
	}
	return names
}
