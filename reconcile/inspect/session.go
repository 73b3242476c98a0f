package inspect

import (
	"context"
	"fmt"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

var staleSessionsSQL = query("stale_sessions")

// StaleSessions reads the sessions of these roles that still have what was taken.
func StaleSessions(ctx context.Context, q catalog.Querier, roles []string) ([]plan.Session, error) {
	list, err := catalog.Collect[plan.Session](ctx, q, staleSessionsSQL, roles)
	if err != nil {
		return nil, fmt.Errorf("look for sessions that still have what was taken: %w", err)
	}
	return list, nil
}

const presentSQL = "select a.pid from pg_catalog.pg_stat_activity as a join unnest($1::integer[], $2::oid[]) as s (pid, role_oid) on s.pid = a.pid and s.role_oid = a.usesysid"

// Present reports whether any of these sessions is there still.
func Present(ctx context.Context, q catalog.Querier, sessions []plan.Session) (bool, error) {
	pids, roles := make([]int32, len(sessions)), make([]catalog.OID, len(sessions))
	for i, s := range sessions {
		pids[i], roles[i] = s.PID, s.RoleOID
	}
	list, err := catalog.Column[int32](ctx, q, presentSQL, pids, roles)
	if err != nil {
		return false, fmt.Errorf("look for sessions that were ended: %w", err)
	}
	return len(list) > 0, nil
}
