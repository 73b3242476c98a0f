package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

// output is the form in which a command prints: a table for people, JSON for machines.
type output struct{ format outputFormat }

type outputFormat string

// Set implements pflag.Value.
func (f *outputFormat) Set(s string) error {
	if s != "text" && s != "json" {
		return fmt.Errorf("%q: allowed are text and json", s)
	}
	*f = outputFormat(s)
	return nil
}

func (f *outputFormat) String() string { return string(*f) }

// Type implements pflag.Value.
func (f *outputFormat) Type() string { return "text|json" }

func (o *output) flags(cmd *cobra.Command) {
	o.format = "text"
	cmd.Flags().Var(&o.format, "output", "how to print")
}

func (o *output) json() bool { return o.format == "json" }

// printRows prints audit rows as a table.
func printRows(w io.Writer, rows []audit.Row) error {
	t := newTable(w, "ROLE", "OUTCOME", "GRANTED", "REVOKED", "WHY")
	for _, r := range rows {
		why := r.Error
		if len(r.Problems) > 0 && why == "" {
			why = r.Problems[0].Reason
			if r.Problems[0].Fix != "" {
				why += "; to allow it: " + catalog.Printable(r.Problems[0].Fix)
			}
		}
		t.row(r.Role, string(r.Outcome), strconv.Itoa(r.Granted), strconv.Itoa(r.Revoked), why)
	}
	return t.flush()
}

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// counted is a number of things: 1 role, 2 roles.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
