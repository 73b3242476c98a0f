package cli

import (
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/pg-sync-roles/pg-sync-roles/desired/rowfile"
)

func exportCommand() *cobra.Command {
	var c connection
	var source string
	var format fileFormat
	var schema bool
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print rows of desired_grants as a file for version control",
		Long: `export prints the rows of desired_grants that the connected role may see, or those of one source, as YAML or CSV, sorted by role and object.
apply makes the rows of a source equal to such a file. Rows that have expired are left out.

Exit codes: 0, 1 an error.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if schema {
				_, err := io.WriteString(cmd.OutOrStdout(), rowfile.Schema)
				return err
			}
			var f rowfile.File
			err := c.look(cmd.Context(), func(tx pgx.Tx) (err error) {
				f, err = rowfile.Read(cmd.Context(), tx, source)
				return err
			})
			if err != nil {
				return err
			}
			if format == csvFormat {
				return rowfile.WriteCSV(cmd.OutOrStdout(), f)
			}
			return rowfile.WriteYAML(cmd.OutOrStdout(), f)
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&source, "source", "", "only the rows of this source (desired_grants.source)")
	cmd.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of the YAML file instead, for editors")
	format.flag(cmd)
	return cmd
}
