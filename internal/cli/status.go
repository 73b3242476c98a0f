package cli

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

func statusCommand() *cobra.Command {
	var c connection
	var out output
	cmd := &cobra.Command{
		Use:   "status [ROLE…]",
		Short: "Show the status of each managed role",
		Long: `status prints sync_roles.role_status.

Exit codes: 0 all in sync or waiting, 2 not, 1 an error.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			conn, err := c.open(ctx)
			if err != nil {
				return err
			}
			defer func() { _ = catalog.Close(ctx, conn) }()
			list, err := audit.Statuses(ctx, conn, args)
			if err != nil {
				return err
			}
			for _, role := range args {
				if !slices.ContainsFunc(list, func(s audit.Status) bool { return s.Role == role }) {
					return fmt.Errorf("not managed: %q; a role is managed when it has a row in sync_roles.desired_grants or sync_roles.desired_roles", role)
				}
			}
			if err := printStatus(cmd.OutOrStdout(), out, list); err != nil {
				return err
			}
			if err := printLostAdminHere(cmd, conn); err != nil {
				return err
			}
			for _, s := range list {
				if !s.InOrder() {
					return exitError{exitDiffers}
				}
			}
			return nil
		},
	}
	c.flags(cmd)
	out.flags(cmd)
	return cmd
}

func printStatus(w io.Writer, out output, list []audit.Status) error {
	if out.json() {
		return writeJSON(w, append([]audit.Status{}, list...))
	}
	t := newTable(w, "ROLE", "STATUS", "SINCE", "WHY")
	for _, s := range list {
		since, why := "", ""
		switch {
		case s.PendingSince != nil:
			since = s.PendingSince.Format("2006-01-02 15:04:05")
		case s.ChangedAt != nil:
			since = s.ChangedAt.Format("2006-01-02 15:04:05")
		}
		if s.Error != nil {
			why = *s.Error
		} else if len(s.Problems) > 0 {
			why = whyStatus(s)
		}
		t.row(s.Role, s.Status, since, why)
	}
	return t.flush()
}

// whyStatus is the problem that gives the role its status, in words.
func whyStatus(s audit.Status) string {
	i := max(0, slices.IndexFunc(s.Problems, func(p plan.Problem) bool { return string(p.Kind) == s.Status }))
	why := s.Problems[i].Reason
	if s.Problems[i].Fix != "" {
		why += "; to allow it: " + catalog.Printable(s.Problems[i].Fix)
	}
	if more := len(s.Problems) - 1; more > 0 {
		why += fmt.Sprintf(" (and %d more)", more)
	}
	return why
}
