package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// Status is the status of a managed role: a row of sync_roles.role_status.
type Status struct {
	Role         string         `json:"role_name" db:"role_name"`
	Status       string         `json:"status"`
	Outcome      *string        `json:"outcome"`
	Cause        *string        `json:"cause"`
	Problems     []plan.Problem `json:"problems"`
	Error        *string        `json:"error"`
	ChangedAt    *time.Time     `json:"changed_at"`
	Attempts     int            `json:"attempts"`
	NextRetryAt  *time.Time     `json:"next_retry_at"`
	PendingSince *time.Time     `json:"pending_since"`
	Sessions     int            `json:"sessions"` // that still have what was taken
	State        string         `json:"state"`    // as in desired_roles
}

// InOrder reports whether the role has all that it can have at the moment.
func (s Status) InOrder() bool { return s.Status == "in_sync" || s.Status == "waiting" }

const statusesSQL = `
	select role_name, status, outcome, cause, problems, error, changed_at, attempts, next_retry_at, pending_since, sessions, state
	from sync_roles.role_status
	where cardinality($1::text[]) = 0 or role_name = any ($1)
	order by role_name`

// Statuses returns the status of these roles, or of all managed roles.
func Statuses(ctx context.Context, q catalog.Querier, roles []string) ([]Status, error) {
	list, err := catalog.Collect[Status](ctx, q, statusesSQL, append([]string{}, roles...))
	if err != nil {
		return nil, fmt.Errorf("read role_status: %w", err)
	}
	return list, nil
}
