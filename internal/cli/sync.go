package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pg-sync-roles/pg-sync-roles/internal/connect"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

func syncCommand() *cobra.Command {
	var c connection
	var o engineOptions
	var out output
	var prune, approve, verbose bool
	cmd := &cobra.Command{
		Use:   "sync [ROLE…]",
		Short: "Reconcile now: these roles, or all managed and pending ones",
		RunE: func(cmd *cobra.Command, args []string) error {
			engine, err := open(cmd, &c, &o)
			if err != nil {
				return err
			}
			defer func() { _ = engine.Close(cmd.Context()) }()
			if err := engine.CheckManaged(cmd.Context(), args); err != nil {
				return err
			}
			if approve {
				n, err := engine.Approve(cmd.Context(), args)
				if err != nil {
					return err
				}
				if n == 0 {
					_, _ = fmt.Fprintln(cmd.ErrOrStderr(), "Nothing is held.")
				}
			}
			stop := showProgress(cmd.ErrOrStderr(), engine)
			report, err := engine.Sync(cmd.Context(), args, prune)
			stop()
			if err != nil {
				return err
			}
			statuses, err := engine.Statuses(cmd.Context(), args)
			if err != nil {
				return err
			}
			statuses = slices.DeleteFunc(statuses, audit.Status.InOrder)
			if err := printSync(cmd.OutOrStdout(), out, report.Rows, len(statuses) == 0, verbose); err != nil {
				return err
			}
			if err := printLostAdmin(cmd, engine); err != nil {
				return err
			}
			if len(statuses) == 0 {
				return nil
			}
			if err := printStatuses(cmd.ErrOrStderr(), []databaseStatus{{roles: statuses}}, false); err != nil {
				return err
			}
			return fmt.Errorf("not as desired: %d of the inspected roles", len(statuses))
		},
	}
	c.flags(cmd)
	cmd.ValidArgsFunction = c.completeManaged
	o.flags(cmd, "error")
	out.flags(cmd)
	cmd.Flags().BoolVar(&approve, "approve", false, "approve, once, the revokes that are held now (see status)")
	cmd.Flags().BoolVar(&verbose, "verbose", false, "name all that changed, however much that is")
	cmd.Flags().BoolVar(&prune, "prune", false, "also drop intermediate roles that hold nothing at the moment")
	return cmd
}

// maxChanges is how much sync names unless it is told to name all.
const maxChanges = 20

// printSync prints what each role's pass did, and then what changed.
func printSync(w io.Writer, out output, rows []audit.Row, inOrder, verbose bool) error {
	switch {
	case out.json():
		return writeJSON(w, append([]audit.Row{}, rows...))
	case len(rows) == 0 && inOrder:
		_, err := fmt.Fprintln(w, "Nothing to do.")
		return err
	case len(rows) == 0:
		_, err := fmt.Fprintln(w, "Nothing changed.")
		return err
	}
	if err := printRows(w, rows); err != nil {
		return err
	}
	return printChanges(w, rows, verbose)
}

// printChanges names privileges, memberships, ownerships, attributes and objects, by role.
func printChanges(w io.Writer, rows []audit.Row, all bool) error {
	var b strings.Builder
	shown, total := 0, 0
	for _, r := range rows {
		total += len(r.Changes)
		changes := r.Changes
		if !all {
			changes = changes[:min(len(changes), maxChanges-shown)]
		}
		shown += len(changes)
		if len(changes) > 0 {
			fmt.Fprintf(&b, "\n%s\n", printable(r.Role))
		}
		for _, change := range changes {
			fmt.Fprintf(&b, "  %s\n", printable(change))
		}
	}
	if total > shown {
		fmt.Fprintf(&b, "\nand %d more; --verbose names all\n", total-shown)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// open connects an engine as the options say, and where they say nothing as the daemon runs.
func open(cmd *cobra.Command, c *connection, o *engineOptions) (*reconcile.Engine, error) {
	config, err := c.config()
	if err != nil {
		return nil, err
	}
	engineConfig, err := o.config(cmd)
	if err != nil {
		return nil, err
	}
	engine, err := reconcile.Open(cmd.Context(), config, engineConfig)
	if err != nil {
		return nil, connect.Explained(err)
	}
	if err := o.applyDaemonPolicy(cmd.Context(), engine, cmd.Flags(), cmd.ErrOrStderr()); err != nil {
		_ = engine.Close(cmd.Context())
		return nil, err
	}
	return engine, nil
}
