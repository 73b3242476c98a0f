package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/adopt"
)

func adoptCommand() *cobra.Command {
	var c connection
	var o engineOptions
	var out output
	var all, patterns, suggest bool
	cmd := &cobra.Command{
		Use:   "adopt ROLE… | --all | --suggest [ROLE…]",
		Short: "Write rows for the attributes and privileges that roles have now, so that plan has nothing to do",
		Long: `adopt writes rows of desired_roles and desired_grants for the attributes and privileges of these roles in this database, memberships and
ownerships included. No access changes; from then on the roles are kept as the rows say. --all means all roles that may be managed; PUBLIC
only where it is named ("public"). Passwords are left as they are.

Grants that rows cannot express are listed on stderr, with the reason. They stay, unless the role is made exclusive (revoke_other).

--suggest changes nothing. It prints SQL that makes groups of what these roles, or all that may be managed, hold alike, by rows or by hand.
Once that was run, and the daemon has acted on it, every role can do what it could before, through its group.

Exit codes: 0 all of it is in rows, 1 something is not, or an error.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case suggest && (patterns || all && len(args) > 0):
				return usageError{errors.New("--suggest goes with the names of roles, or without; patterns are its own choice")}
			case !suggest && all == (len(args) > 0):
				return usageError{errors.New("name the roles to adopt, or give --all")}
			case !suggest && out.json():
				return usageError{errors.New("--output json goes with --suggest")}
			}
			engine, err := open(cmd, &c, &o)
			if err != nil {
				return err
			}
			defer func() { _ = engine.Close(cmd.Context()) }()
			if suggest {
				list, err := engine.Suggest(cmd.Context(), args)
				if err != nil {
					return err
				}
				return printSuggestions(cmd.OutOrStdout(), out, list)
			}
			a, err := engine.Adopt(cmd.Context(), args, patterns)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(cmd.OutOrStdout(), "Adopted %s with %s of desired_grants.\n", counted(len(a.Roles), "role"), counted(a.Grants, "row")); err != nil {
				return err
			}
			if err := printInexpressible(cmd.ErrOrStderr(), "LEFT ALONE", a.Foreign); err != nil {
				return err
			}
			if err := printInexpressible(cmd.ErrOrStderr(), "LEFT AS IT IS", a.Defaults); err != nil {
				return err
			}
			left := len(a.Foreign) + len(a.Inexpressible)
			if err := printInexpressible(cmd.ErrOrStderr(), "NOT ADOPTED", a.Inexpressible); err != nil || left == 0 {
				return err
			}
			return fmt.Errorf("%s cannot be expressed as rows; the rest is adopted", counted(left, "grant"))
		},
	}
	c.flags(cmd)
	cmd.ValidArgsFunction = c.completeRoles
	o.flags(cmd, "error")
	out.flags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "all roles that may be managed")
	cmd.Flags().BoolVar(&patterns, "patterns", false, "one row with a pattern for what a role has on all objects of a schema; it covers later objects too")
	cmd.Flags().BoolVar(&suggest, "suggest", false, "print SQL for groups of what roles hold alike, and change nothing")
	return cmd
}

func printInexpressible(w io.Writer, heading string, list []adopt.Inexpressible) error {
	if len(list) == 0 {
		return nil
	}
	t := newTable(w, "ROLE", heading, "WHY")
	for _, u := range list {
		t.row(u.Role, u.What, u.Why)
	}
	return t.flush()
}
