package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/internal/connect"
	"github.com/pg-sync-roles/pg-sync-roles/internal/setup"
)

func setupCommand() *cobra.Command {
	var c connection
	var out output
	var request setup.Request
	var check bool
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Print the SQL that a DBA runs once, for this server and these names",
		Long: `setup prints what a DBA runs once in the connected database, before the daemon is started: the daemon's role, what it needs of the
database, and of other roles. It changes nothing: feed its output to psql.

With --check, given the same names, it says what of this is missing.

Exit codes: 0, --check: nothing is missing; 1 something is, or an error.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var text string
			var missing []setup.Lack
			err := c.lookAnywhere(cmd.Context(), func(tx pgx.Tx) (err error) {
				if err = setup.ChooseRole(cmd.Context(), tx, &request, check); err != nil {
					return err
				}
				if check {
					missing, err = setup.Missing(cmd.Context(), tx, request)
				} else {
					text, err = setup.Script(cmd.Context(), tx, request)
				}
				return err
			})
			if err != nil {
				return err
			}
			if !check {
				_, err = io.WriteString(cmd.OutOrStdout(), text)
				return err
			}
			if err := printMissing(cmd.OutOrStdout(), out, request.Role, missing); err != nil {
				return err
			}
			if len(missing) > 0 {
				return exitError{1}
			}
			return nil
		},
	}
	c.flags(cmd)
	out.flags(cmd)
	cmd.Flags().StringVar(&request.Role, "role", "", "as which the daemon logs in (default: "+setup.DefaultRole+"; with --check, if there is none, the connected role)")
	cmd.Flags().StringArrayVar(&request.Owners, "owner", nil, "a role that owns something that rows speak of (may be repeated; default: all that own something in the database)")
	cmd.Flags().StringArrayVar(&request.Manage, "manage", nil, "a role that was there before, whose attributes or members rows set (may be repeated)")
	cmd.Flags().BoolVar(&request.KeepDatabase, "keep-database-owner", false, "the database keeps its owner; rows then cannot take CONNECT from PUBLIC")
	cmd.Flags().BoolVar(&check, "check", false, "say what is missing instead")
	return cmd
}

// lookAnywhere is look also where the schema is not installed.
func (c *connection) lookAnywhere(ctx context.Context, read func(pgx.Tx) error) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	tx, err := catalog.BeginRead(ctx, config, settings)
	if err != nil {
		return connect.Explained(err)
	}
	defer func() { _ = catalog.Close(ctx, tx.Conn()) }()
	return read(tx)
}

func printMissing(w io.Writer, out output, role string, missing []setup.Lack) error {
	if out.json() {
		return writeJSON(w, append([]setup.Lack{}, missing...))
	}
	if len(missing) == 0 {
		_, err := fmt.Fprintf(w, "Role %q has all that it needs.\n", printable(role))
		return err
	}
	for _, lack := range missing {
		if _, err := fmt.Fprintf(w, "-- %s\n%s;\n", printable(lack.What), catalog.Printable(lack.Fix)); err != nil {
			return err
		}
	}
	return nil
}
