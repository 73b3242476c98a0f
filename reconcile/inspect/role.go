package inspect

import (
	"context"
	"fmt"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

var (
	rolesSQL        = query("roles")
	foreignRolesSQL = query("foreign_roles")
)

const (
	intermediatesSQL = "select role_name from sync_roles.intermediate_roles union all select role_name from sync_roles.keepers order by role_name"

	// unregisteredSQL leaves out two of ours that had changed names.
	unregisteredSQL = `
		select r.rolname
		from pg_catalog.pg_roles as r
		where r.rolname = any ($1::name[])
			and not exists (select from sync_roles.intermediate_roles as i where i.role_oid = r.oid)
			and not exists (select from sync_roles.keepers as k where k.role_oid = r.oid)
		order by 1`
)

// Roles reads the actual and the desired attributes of the roles, by name.
func Roles(ctx context.Context, q catalog.Querier, names []string) (map[string]plan.Role, error) {
	list, err := catalog.Collect[plan.Role](ctx, q, rolesSQL, names)
	if err != nil {
		return nil, fmt.Errorf("read roles: %w", err)
	}
	return byName(list), nil
}

func byName(list []plan.Role) map[string]plan.Role {
	roles := make(map[string]plan.Role, len(list))
	for _, r := range list {
		roles[r.Name] = r
	}
	return roles
}

// Intermediates lists the intermediate roles and their keepers.
func Intermediates(ctx context.Context, q catalog.Querier) ([]string, error) {
	list, err := catalog.Column[string](ctx, q, intermediatesSQL)
	if err != nil {
		return nil, fmt.Errorf("read intermediate roles and their keepers: %w", err)
	}
	return list, nil
}

// ForeignRoles lists the roles named like other databases' intermediate roles that hold something in this one.
func ForeignRoles(ctx context.Context, q catalog.Querier) ([]string, error) {
	list, err := catalog.Column[string](ctx, q, foreignRolesSQL)
	if err != nil {
		return nil, fmt.Errorf("look for intermediate roles of other databases: %w", err)
	}
	return list, nil
}

// Unregistered returns those of these names that a role has which is no intermediate role or keeper.
func Unregistered(ctx context.Context, q catalog.Querier, names []string) ([]string, error) {
	list, err := catalog.Column[string](ctx, q, unregisteredSQL, names)
	if err != nil {
		return nil, fmt.Errorf("look for unregistered roles: %w", err)
	}
	return list, nil
}
