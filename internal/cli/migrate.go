package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/pg-sync-roles/pg-sync-roles/internal/connect"
	"github.com/pg-sync-roles/pg-sync-roles/migrations"
)

func migrateCommand() *cobra.Command {
	var c connection
	var force, eventTriggers bool
	cmd := &cobra.Command{
		Use:       "migrate [up|down|version]",
		Short:     "Install, upgrade or remove the schema sync_roles",
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"up", "down", "version"},
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := c.config()
			if err != nil {
				return err
			}
			what := "up"
			if len(args) == 1 {
				what = args[0]
			}
			out := cmd.OutOrStdout()
			switch what {
			case "down":
				left, err := migrations.Down(cmd.Context(), config, force)
				if err != nil {
					return connect.Explained(err)
				}
				_, err = fmt.Fprintf(out, "Removed schema sync_roles from database %q. No access was revoked. What stays:\n"+
					"- the privileges and memberships of %d roles\n- %d intermediate roles and keepers (_pgsr_…), which privileges go through\n- role _pgsr_lock, which other databases of the cluster may use\n",
					config.Database, len(left.Managed), len(left.IntermediateRoles))
				return err
			case "version":
				version, err := migrations.Version(cmd.Context(), config)
				if err != nil {
					return connect.Explained(err)
				}
				_, err = fmt.Fprintln(out, version)
				return err
			default:
				version, err := migrations.Up(cmd.Context(), config)
				triggers := cmd.Flags().Changed("event-triggers")
				if triggers && errors.Is(err, migrations.ErrNotOwner) {
					// A superuser who is not the owner runs nothing that the owner has made.
					return setEventTriggers(cmd.Context(), out, config, eventTriggers)
				}
				if err != nil {
					return connect.Explained(err)
				}
				if _, err := fmt.Fprintf(out, "Schema sync_roles in database %q has version %d.\n", config.Database, version); err != nil || !triggers {
					return err
				}
				return setEventTriggers(cmd.Context(), out, config, eventTriggers)
			}
		},
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&eventTriggers, "event-triggers", false, "up: also install event triggers, by which DDL is noticed at once; =false removes them (for a superuser, or whom a managed service allows it; default: leave them)")
	cmd.Flags().BoolVar(&force, "force", false, "down: even if roles are managed")
	return cmd
}

func setEventTriggers(ctx context.Context, out io.Writer, config *pgx.ConnConfig, on bool) error {
	if err := migrations.SetEventTriggers(ctx, config, on); err != nil {
		return connect.Explained(err)
	}
	state := "removed"
	if on {
		state = "installed"
	}
	_, err := fmt.Fprintf(out, "The event triggers in database %q are %s.\n", config.Database, state)
	return err
}
