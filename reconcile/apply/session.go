package apply

import (
	"context"
	"fmt"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

var endSessionsSQL = query("end_sessions")

// EndSessions ends sessions. No rollback brings them back: it comes right before the commit.
func (a *Applier) EndSessions(ctx context.Context, sessions []plan.Session) error {
	pids, roles := make([]int32, len(sessions)), make([]catalog.OID, len(sessions))
	for i, s := range sessions {
		pids[i], roles[i] = s.PID, s.RoleOID
		a.statements = append(a.statements, s.Statement())
	}
	if _, err := a.tx.Exec(ctx, endSessionsSQL, pids, roles); err != nil {
		return fmt.Errorf("end sessions that still have what was taken: %w", err)
	}
	return nil
}
