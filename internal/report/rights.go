package report

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Relations are what a report reads of the schema. history_begin is for PUBLIC.
var relations = []string{
	"installation", "managed_roles", "intermediate_roles", "python_intermediate_roles", "memberships", "objects", "holders", "predefined_holders",
	"access_periods", "managed_periods", "desired_history", "violations", "violation_history", "review_status", "request_status",
	"audit", "audit_chain", "audit_removals",
}

// Relations are the relations of schema sync_roles on which a report needs SELECT.
func Relations() []string { return slices.Clone(relations) }

// checkRights finds out what the connected role may not read.
func checkRights(ctx context.Context, tx pgx.Tx) error {
	missing, err := catalog.Column[string](ctx, tx, query("missing"), relations)
	if err != nil {
		return fmt.Errorf("look for missing rights: %w", err)
	}
	if len(missing) == 0 {
		return nil
	}
	var user string
	if err := tx.QueryRow(ctx, "select current_user::text").Scan(&user); err != nil {
		return fmt.Errorf("read the connected role: %w", err)
	}
	list := strings.Join(missing, ", ")
	return fmt.Errorf("role %q may not read %s. To allow it: GRANT SELECT ON %s TO %s", user, list, list, catalog.Quote(user))
}
