package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

func planCommand() *cobra.Command {
	var c connection
	var o engineOptions
	var out output
	var withSQL string
	cmd := &cobra.Command{
		Use:   "plan [ROLE…]",
		Short: "Print the SQL that sync would run, and change nothing",
		Long: `plan prints the SQL that sync would run, and changes nothing. It does the work in a transaction that it rolls back, under the same lock as
every pass. The output can be fed to psql, except for passwords, which it does not show.

Exit codes: 0 nothing to do, 2 there is something to do, 1 an error.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			first, err := readSQL(withSQL, cmd.InOrStdin())
			if err != nil {
				return err
			}
			engine, err := open(cmd, &c, &o)
			if err != nil {
				return err
			}
			defer func() { _ = engine.Close(cmd.Context()) }()
			if first == "" {
				if err := engine.CheckManaged(cmd.Context(), args); err != nil {
					return err
				}
			}
			report, err := engine.DryRun(cmd.Context(), args, first)
			if err != nil {
				return err
			}
			if err := printPlan(cmd.OutOrStdout(), out, report); err != nil {
				return err
			}
			if err := printLostAdmin(cmd, engine); err != nil {
				return err
			}
			for _, row := range report.Rows {
				if row.Outcome == plan.Failed {
					return fmt.Errorf("the plan is not complete: role %q cannot be served: %s", row.Role, row.Error)
				}
			}
			if len(report.Statements) > 0 {
				return exitError{exitDiffers}
			}
			return nil
		},
	}
	c.flags(cmd)
	cmd.ValidArgsFunction = c.completeManaged
	o.flags(cmd, "error")
	out.flags(cmd)
	cmd.Flags().StringVar(&withSQL, "with-sql", "", "run the statements of this file (-: standard input) first, in the transaction that is rolled back")
	return cmd
}

func readSQL(file string, stdin io.Reader) (string, error) {
	switch file {
	case "":
		return "", nil
	case "-":
		text, err := io.ReadAll(stdin)
		if err != nil {
			return "", fmt.Errorf("read statements from standard input: %w", err)
		}
		return string(text), nil
	default:
		text, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read --with-sql: %w", err)
		}
		return string(text), nil
	}
}

func printPlan(w io.Writer, out output, report *reconcile.Report) error {
	if out.json() {
		return writeJSON(w, struct {
			Statements []string    `json:"statements"`
			Roles      []audit.Row `json:"roles"`
		}{append([]string{}, report.Statements...), append([]audit.Row{}, report.Rows...)})
	}
	var b strings.Builder
	if len(report.Statements) == 0 {
		b.WriteString("-- Nothing to do.\n")
	} else {
		b.WriteString("BEGIN;\n")
		for _, s := range report.Statements {
			b.WriteString(catalog.Printable(s) + ";\n")
		}
		b.WriteString("COMMIT;\n")
	}
	for _, row := range report.Rows {
		for _, p := range row.Problems {
			b.WriteString(comment(fmt.Sprintf("%s: %s: %s", row.Role, p.Kind, p.Reason)))
			if p.Fix != "" {
				b.WriteString(comment("  to allow it: " + catalog.Printable(p.Fix)))
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// comment makes an SQL comment of a text, which may have a name with a newline in it.
func comment(text string) string {
	return "-- " + printable(text) + "\n"
}
