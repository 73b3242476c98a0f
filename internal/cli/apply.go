package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/desired/rowfile"
)

func applyCommand() *cobra.Command {
	var c connection
	var o engineOptions
	var source string
	var dryRun bool
	var format fileFormat
	cmd := &cobra.Command{
		Use:   "apply FILE",
		Short: "Make the rows of one source equal to a file",
		Long: `apply makes the rows of desired_grants that belong to a source equal to a file (-: standard input) in YAML or CSV, in one transaction: it inserts
what only the file has, changes what differs, and deletes what the file does not have any more. Rows of other sources stay as they are; a row of
no source that the file has becomes the source's. It needs no more rights than to write these rows, and sync_roles.writers bounds it.

With --dry-run it writes nothing, and prints the SQL that sync would then run, as plan --with-sql does: for that it connects as the daemon's role.

Exit codes: 0, 1 an error; with --dry-run 2 if the rows or the privileges would change.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := readRows(cmd, args[0], format)
			if err != nil {
				return err
			}
			if source, err = sourceOf(args[0], f, source); err != nil {
				return err
			}
			var diff rowfile.Diff
			err = c.change(cmd.Context(), func(tx pgx.Tx) (err error) {
				if diff, err = rowfile.Compare(cmd.Context(), tx, source, f); err != nil || dryRun {
					return err
				}
				return diff.Apply(cmd.Context(), tx)
			})
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if err := printDiff(cmd, diff, dryRun); err != nil || !dryRun {
				return err
			}
			return rehearse(cmd, &c, &o, diff)
		},
	}
	c.flags(cmd)
	o.flags(cmd, "error")
	format.flag(cmd)
	cmd.Flags().StringVar(&source, "source", "", "the source that the file is all of (default: what the file says)")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "write nothing, and print what would change")
	return cmd
}

// sourceOf is the source of a file, which the file or the option says, or both the same.
func sourceOf(name string, f rowfile.File, option string) (string, error) {
	switch {
	case f.Source == "" && option == "":
		return "", usageError{fmt.Errorf("%s says no source: whose rows it is all of, say by --source", name)}
	case f.Source != "" && option != "" && f.Source != option:
		return "", usageError{fmt.Errorf("%s is of source %q, and --source says %q", name, f.Source, option)}
	case option != "":
		return option, nil
	default:
		return f.Source, nil
	}
}

func printDiff(cmd *cobra.Command, diff rowfile.Diff, dryRun bool) error {
	for _, r := range diff.Expired() {
		if _, err := fmt.Fprintf(cmd.ErrOrStderr(), "Warning: line %d: %s has expired, and is not written\n", r.Line, r); err != nil {
			return err
		}
	}
	mark := ""
	if dryRun {
		mark = "-- " // what follows is SQL
	}
	var b strings.Builder
	for _, line := range diff.Lines() {
		b.WriteString(mark + catalog.Printable(line) + "\n")
	}
	added, changed, deleted := diff.Counts()
	fmt.Fprintf(&b, "%s%s inserted, %d changed, %d deleted.\n", mark, counted(added, "row"), changed, deleted)
	_, err := cmd.OutOrStdout().Write([]byte(b.String()))
	return err
}

// rehearse prints what sync would do after the difference was applied.
func rehearse(cmd *cobra.Command, c *connection, o *engineOptions, diff rowfile.Diff) error {
	if diff.Empty() {
		return nil
	}
	sql, err := diff.SQL()
	if err != nil {
		return err
	}
	engine, err := open(cmd, c, o)
	if err != nil {
		// Whoever may write rows need not be able to do a pass.
		if _, err := fmt.Fprintf(cmd.ErrOrStderr(), "Which privileges would change is not known: %s\n", errorText(err)); err != nil {
			return err
		}
		return exitError{exitDiffers}
	}
	defer func() { _ = engine.Close(cmd.Context()) }()
	report, err := engine.DryRun(cmd.Context(), nil, sql)
	if err != nil {
		return fmt.Errorf("find which privileges would change: %w", err)
	}
	if err := printPlan(cmd.OutOrStdout(), output{}, report); err != nil {
		return err
	}
	return exitError{exitDiffers}
}

// change opens a connection and writes in one transaction.
func (c *connection) change(ctx context.Context, write func(tx pgx.Tx) error) error {
	conn, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = catalog.Close(ctx, conn) }()
	err = pgx.BeginFunc(ctx, conn, write)
	if errors.Is(err, pgx.ErrTxCommitRollback) {
		return errors.New("PostgreSQL rolled the transaction back")
	}
	return err
}
