package cli

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit/chain"
)

func auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Verify the audit",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(auditVerifyCommand())
	return cmd
}

func auditVerifyCommand() *cobra.Command {
	var c connection
	var out output
	var noted []string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check that no row of the audit was changed, removed, inserted or moved",
		Long: `audit verify checks sync_roles.audit against its chain of hashes: each row has a hash over its columns and the previous row's hash. It changes nothing. It
needs SELECT on sync_roles.audit, sync_roles.audit_chain and sync_roles.audit_removals, and works on a standby.

Whoever can write to these tables as their owner can compute all hashes anew. The head that is printed stands for all rows up to it: note it outside
of this database, or take it from the daemon's log (audit_head), and later give it as --expect-head.

Exit codes: 0 the chain is intact, 1 it is not, or an error.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			heads := make([]chain.Head, len(noted))
			for i, text := range noted {
				var err error
				if heads[i], err = chain.ParseHead(text); err != nil {
					return usageError{fmt.Errorf("--expect-head: %w", err)}
				}
			}
			var v *chain.Verification
			err := c.look(cmd.Context(), func(tx pgx.Tx) (err error) {
				v, err = chain.Verify(cmd.Context(), tx, heads)
				return err
			})
			if err != nil {
				return err
			}
			if err := printVerification(cmd.OutOrStdout(), out, v, len(heads)); err != nil {
				return err
			}
			if !v.Intact {
				return exitError{1}
			}
			return nil
		},
	}
	c.flags(cmd)
	out.flags(cmd)
	cmd.Flags().StringArrayVar(&noted, "expect-head", nil, "a head noted earlier, SEQ:HASH, that must be in the chain (may be repeated)")
	return cmd
}

func printVerification(w io.Writer, out output, v *chain.Verification, noted int) error {
	if out.json() {
		return writeJSON(w, v)
	}
	lines := []string{fmt.Sprintf("The chain has %s, from %s on.", counted(int(v.Rows), "row"), utc(v.BegunAt))}
	if v.RowsBefore > 0 {
		lines = append(lines, fmt.Sprintf("Not protected: %s from before it.", counted(int(v.RowsBefore), "row")))
	}
	if r := v.Removed; r.Rows > 0 && r.LastAt != nil && r.Kept != nil {
		kept := time.Duration(*r.Kept * float64(time.Second)).Round(time.Second)
		lines = append(lines, fmt.Sprintf("The retention removed %s, all older than %s, the youngest from %s.", counted(int(r.Rows), "row"), age(kept), utc(*r.LastAt)))
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	if !v.Intact {
		return printFindings(w, v)
	}
	result := "Intact."
	if noted > 0 {
		result = fmt.Sprintf("Intact, and up to the noted %s as it was then.", plural(noted, "head"))
	}
	_, err := fmt.Fprintf(w, "%s\nHead, to note down outside of this database: %s\n", result, v.Head)
	return err
}

func printFindings(w io.Writer, v *chain.Verification) error {
	if _, err := fmt.Fprintf(w, "\nNOT intact:\n"); err != nil {
		return err
	}
	t := newTable(w, "SEQ", "ID", "FINDING", "WHAT")
	for _, f := range v.Findings {
		t.row(places(f), number(f.ID), string(f.Kind), f.Reason)
	}
	if v.More > 0 {
		t.row("", "", "", fmt.Sprintf("and %d more", v.More))
	}
	return t.flush()
}

func places(f chain.Finding) string {
	if f.First == f.Last {
		return number(f.First)
	}
	return number(f.First) + "–" + number(f.Last)
}

// number leaves out what is not known.
func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// age is a duration in whole days where it is many.
func age(d time.Duration) string {
	if d < 48*time.Hour {
		return d.String()
	}
	return counted(int(d/(24*time.Hour)), "day")
}
