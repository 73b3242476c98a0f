package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/desired"
)

// Status is how a managed role is: a row of sync_roles.role_status.
type Status struct {
	Role         string     `json:"role_name"`
	Status       string     `json:"status"`
	Outcome      *string    `json:"outcome"`
	Cause        *string    `json:"cause"`
	Problems     []Problem  `json:"problems"`
	Error        *string    `json:"error"`
	ChangedAt    *time.Time `json:"changed_at"`
	Attempts     int        `json:"attempts"`
	NextRetryAt  *time.Time `json:"next_retry_at"`
	PendingSince *time.Time `json:"pending_since"`
}

// InOrder reports whether the role has all that it can have at the moment.
func (s Status) InOrder() bool { return s.Status == "in_sync" || s.Status == "waiting" }

// Statuses returns how these roles are, or all managed roles.
func (e *Engine) Statuses(ctx context.Context, roles []string) ([]Status, error) {
	return ReadStatuses(ctx, e.conn, roles)
}

// ReadStatuses returns how these roles are, or all managed roles.
func ReadStatuses(ctx context.Context, q catalog.Querier, roles []string) ([]Status, error) {
	list, err := collect[Status](ctx, q, `
		select role_name, status, outcome, cause, problems, error, changed_at, attempts, next_retry_at, pending_since
		from sync_roles.role_status
		where cardinality($1::text[]) = 0 or role_name = any ($1)
		order by role_name`, append([]string{}, roles...))
	if err != nil {
		return nil, fmt.Errorf("read role_status: %w", err)
	}
	return list, nil
}

// CheckManaged returns an error if one of the roles is not managed, and has nothing left to be taken away.
func (e *Engine) CheckManaged(ctx context.Context, roles []string) error {
	if len(roles) == 0 {
		return nil
	}
	managed, err := desired.Managed(ctx, e.conn)
	if err != nil {
		return err
	}
	var unknown []string
	for _, r := range roles {
		if !slices.Contains(managed, r) {
			unknown = append(unknown, fmt.Sprintf("%q", r))
		}
	}
	if len(unknown) > 0 {
		return fmt.Errorf("not managed: %s; a role is managed when it has a row in sync_roles.desired_grants or sync_roles.desired_roles", strings.Join(unknown, ", "))
	}
	return nil
}
