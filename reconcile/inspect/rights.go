package inspect

import (
	"context"
	"fmt"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

var (
	daemonRightsSQL      = query("daemon_rights")
	privilegedMembersSQL = query("privileged_members")
)

// DaemonRights returns a text that changes with those rights of the connected role that decide which statements PostgreSQL refuses it.
func DaemonRights(ctx context.Context, q catalog.Querier) (rights string, err error) {
	if err := q.QueryRow(ctx, daemonRightsSQL).Scan(&rights); err != nil {
		return "", fmt.Errorf("read the rights of the connected role: %w", err)
	}
	return rights, nil
}

// PrivilegedMembers lists the roles with memberships that rows gave, in roles that have become privileged since then, or have come to reach one.
func PrivilegedMembers(ctx context.Context, q catalog.Querier, allowed []string) ([]string, error) {
	list, err := catalog.Column[string](ctx, q, privilegedMembersSQL, allowed)
	if err != nil {
		return nil, fmt.Errorf("look for memberships in roles that have become privileged: %w", err)
	}
	return list, nil
}
