package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

// statusOptions are what status shows, and how.
type statusOptions struct {
	connection
	output
	all, problems bool
	patterns      []string
	watch         time.Duration
}

func statusCommand() *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:   "status [ROLE…]",
		Short: "Show the status of each managed role",
		Long: `status prints sync_roles.role_status.

With --all, of every database of the server that has the schema; with --databases, of those that match a pattern, as run has it.

What breaks a rule of sync_roles.forbidden comes after the roles, where the connected role may read sync_roles.violations. JSON has the roles alone.

Exit codes: 0 all in sync or waiting, and no rule broken, 2 not, 1 an error.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			if o.watch > 0 {
				return o.watchStatus(cmd, args)
			}
			list, err := o.read(cmd.Context(), args)
			if err != nil {
				return err
			}
			if err := o.print(cmd.OutOrStdout(), list); err != nil {
				return err
			}
			return o.conclude(cmd, list)
		},
	}
	o.connection.flags(cmd)
	o.output.flags(cmd)
	cmd.ValidArgsFunction = o.completeManaged
	cmd.Flags().BoolVar(&o.problems, "problems", false, "only the roles that are not in sync, with all that keeps them from it, and how to allow it")
	cmd.Flags().BoolVar(&o.all, "all", false, "of all databases of the server that have the schema")
	cmd.Flags().StringArrayVar(&o.patterns, databasesFlag, nil, "of all databases of the server that match this pattern, such as tenant_% (may be repeated)")
	cmd.Flags().DurationVar(&o.watch, "watch", 0, "show it again each time that it changes, and on a terminal at this interval, until told to stop")
	cmd.Flags().Lookup("watch").NoOptDefVal = "2s"
	return cmd
}

// check checks the options.
func (o *statusOptions) check(cmd *cobra.Command) error {
	if cmd.Flags().Changed("watch") && o.watch < 100*time.Millisecond {
		return usageError{fmt.Errorf("--watch=%s: must be at least 100ms", o.watch)}
	}
	return checkPatterns(o.patterns, nil)
}

// several reports whether more than one database is meant.
func (o *statusOptions) several() bool { return o.all || len(o.patterns) > 0 }

// read reads the status of these roles, or of all.
func (o *statusOptions) read(ctx context.Context, roles []string) ([]databaseStatus, error) {
	list := []databaseStatus{{}}
	var err error
	if o.several() {
		list, err = o.readAll(ctx, roles)
	} else {
		err = o.look(ctx, func(tx pgx.Tx) error { return list[0].read(ctx, tx, roles) })
	}
	if err != nil {
		return nil, err
	}
	for _, role := range roles {
		if !slices.ContainsFunc(list, func(d databaseStatus) bool { return d.err != nil || d.manages(role) }) {
			return nil, fmt.Errorf("not managed: %q; a role is managed when it has a row in sync_roles.desired_grants or sync_roles.desired_roles", role)
		}
	}
	return list, nil
}

// print shows the list as a table, by its problems, or as JSON.
func (o *statusOptions) print(w io.Writer, list []databaseStatus) error {
	switch {
	case o.json():
		return o.printJSON(w, list)
	case o.problems:
		if err := printProblems(w, list); err != nil {
			return err
		}
	default:
		if err := printStatuses(w, list, o.several()); err != nil {
			return err
		}
	}
	return printViolations(w, list, o.several())
}

// printViolations shows what roles have and rules forbid; nothing where no rule is broken.
func printViolations(w io.Writer, list []databaseStatus, several bool) error {
	if !slices.ContainsFunc(list, func(d databaseStatus) bool { return len(d.broken) > 0 }) {
		return nil
	}
	header := []string{"RULE", "ROLE", "HAS", "BY", "WHY NOT"}
	if several {
		header = append([]string{"DATABASE"}, header...)
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	t := newTable(w, header...)
	for _, d := range list {
		for _, v := range d.broken {
			cells := []string{strconv.FormatInt(v.Rule, 10), v.Role, v.Privilege + " on " + v.Object, v.Path, v.Reason}
			if several {
				cells = append([]string{d.database}, cells...)
			}
			t.row(cells...)
		}
	}
	return t.flush()
}

func (o *statusOptions) printJSON(w io.Writer, list []databaseStatus) error {
	all, of := []audit.Status{}, []databaseRole{}
	for _, d := range list {
		for _, s := range d.roles {
			if o.problems && s.Status == inSync {
				continue
			}
			all, of = append(all, s), append(of, databaseRole{d.database, s})
		}
	}
	if o.several() {
		return writeJSON(w, of)
	}
	return writeJSON(w, all)
}

// databaseRole is the status of a role in one of several databases.
type databaseRole struct {
	Database string `json:"database"`
	audit.Status
}

// conclude says what else there is to say, and is the command's exit code.
func (o *statusOptions) conclude(cmd *cobra.Command, list []databaseStatus) error {
	var errs []error
	differs, warned := false, false
	for _, d := range list {
		if d.err != nil {
			errs = append(errs, d.explained())
		}
		differs = differs || len(d.broken) > 0 || slices.ContainsFunc(d.roles, func(s audit.Status) bool { return !s.InOrder() })
		if !warned && len(d.lost.Roles) > 0 { // the fix is the same for all databases of a server
			warned = true
			if err := sayLostAdmin(cmd, d.lost, nil); err != nil {
				return err
			}
		}
	}
	switch {
	case len(errs) > 0:
		return errors.Join(errs...)
	case differs:
		return exitError{exitDiffers}
	}
	return nil
}

func printStatuses(w io.Writer, list []databaseStatus, several bool) error {
	header := []string{"ROLE", "STATUS", "SINCE", "WHY"}
	if several {
		header = append([]string{"DATABASE"}, header...)
	}
	t := newTable(w, header...)
	for _, d := range list {
		for _, s := range d.roles {
			cells := []string{s.Role, s.Status, since(s), whyStatus(s)}
			if several {
				cells = append([]string{d.database}, cells...)
			}
			t.row(cells...)
		}
	}
	return t.flush()
}

// since is when a role came to its status: when its request was made, or its last change.
func since(s audit.Status) string {
	at := s.ChangedAt
	if s.PendingSince != nil {
		at = s.PendingSince
	}
	if at == nil {
		return ""
	}
	return at.Format("2006-01-02 15:04:05")
}
