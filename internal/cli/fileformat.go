package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pg-sync-roles/pg-sync-roles/desired/rowfile"
)

// fileFormat is that of a file of rows. It is a pflag.Value.
type fileFormat string

const (
	yamlFormat fileFormat = "yaml"
	csvFormat  fileFormat = "csv"
)

func (f *fileFormat) flag(cmd *cobra.Command) {
	*f = yamlFormat
	cmd.Flags().Var(f, "format", "yaml or csv")
}

func (f *fileFormat) String() string { return string(*f) }

// Type is what help calls the value.
func (*fileFormat) Type() string { return "string" }

// Set refuses an unknown format.
func (f *fileFormat) Set(text string) error {
	switch fileFormat(text) {
	case yamlFormat, csvFormat:
		*f = fileFormat(text)
		return nil
	default:
		return fmt.Errorf("%q is neither yaml nor csv", text)
	}
}

// readRows reads a file of rows; "-" is standard input. Unless the format is given, the name's ending says it.
func readRows(cmd *cobra.Command, name string, format fileFormat) (rowfile.File, error) {
	if !cmd.Flags().Changed("format") && strings.HasSuffix(strings.ToLower(name), ".csv") {
		format = csvFormat
	}
	in := cmd.InOrStdin()
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return rowfile.File{}, fmt.Errorf("read rows: %w", err)
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	read := rowfile.ReadYAML
	if format == csvFormat {
		read = rowfile.ReadCSV
	}
	f, err := read(in)
	if err != nil {
		return f, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}
