package reconcile

import (
	"context"
	"fmt"
	"slices"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// LostAdmin is the roles that were made here and that the connected role can no longer grant, revoke or drop: see plan/replacement.go.
type LostAdmin struct {
	Roles []string // in order
	Fix   string   // the statement for a superuser
}

// Reason says what is wrong, for people.
func (l LostAdmin) Reason() string {
	roles := fmt.Sprintf("%d roles", len(l.Roles))
	if len(l.Roles) == 1 {
		roles = "role " + l.Roles[0]
	}
	return "the daemon has no ADMIN option on " + roles + " that it made, as after an upgrade from PostgreSQL 15 or older"
}

const registeredSQL = `
	select role_oid from sync_roles.intermediate_roles
	union
	select role_oid from sync_roles.keepers`

// ReadLostAdmin checks the registry. Roles is empty where nothing is wrong.
func ReadLostAdmin(ctx context.Context, q catalog.Querier, server catalog.Server) (l LostAdmin, err error) {
	if server.Superuser || !server.MembershipOptions() {
		return l, nil
	}
	oids, err := catalog.Column[catalog.OID](ctx, q, registeredSQL)
	if err != nil {
		return l, fmt.Errorf("read the registry of intermediate roles: %w", err)
	}
	rights, err := catalog.ReadRights(ctx, q, server, oids)
	if err != nil {
		return l, err
	}
	for _, r := range rights {
		if !r.Admin {
			l.Roles = append(l.Roles, r.Name)
		}
	}
	if len(l.Roles) > 0 {
		slices.Sort(l.Roles)
		l.Fix = plan.RegainFix(l.Roles, server)
	}
	return l, nil
}

// LostAdmin is ReadLostAdmin for the engine's connection.
func (e *Engine) LostAdmin(ctx context.Context) (LostAdmin, error) {
	return ReadLostAdmin(ctx, e.conn, e.server)
}

// warnOfLostAdmin writes into the log what people are told by the commands.
func (e *Engine) warnOfLostAdmin(ctx context.Context) error {
	lost, err := e.LostAdmin(ctx)
	if err != nil || len(lost.Roles) == 0 {
		return err
	}
	e.log.Warn().Int("roles", len(lost.Roles)).Str("fix", lost.Fix).
		Msg(lost.Reason() + ": run the fix once, as a superuser; until then each of these roles whose members change is replaced by a new role, and stays behind empty")
	return nil
}
