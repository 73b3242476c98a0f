package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/pg-sync-roles/pg-sync-roles/internal/report"
)

func reportCommand() *cobra.Command {
	var c connection
	var asOf, since instantFlag
	format := reportFormat("csv")
	var schema bool
	cmd := &cobra.Command{
		Use:   "report [ROLE…]",
		Short: "Print evidence for an auditor: who has, or had, what, by which path, asked for by whom, why, and since when",
		Long: `report prints all access of these roles, or of all: by ACL entries of their own and of PUBLIC, intermediate roles, memberships, ownership, predefined roles,
superuser and code; beside each the rows of desired_grants that ask for it, with their authors and notes, and since when it is held. As html (to print)
and json (see --schema) it also has how many roles and objects there are, the rules and their violations, reviews and requests,
the result of audit verify, and the versions; csv is the table of accesses alone.

Without --as-of it is of now, from the catalogs; with it, of what was on record at that time, which says what is exact and what was observed. Two reports
with the same --as-of are the same to the byte, as long as nothing is written. It reads in one transaction, and needs no more than SELECT on some views:
where that is missing, the error names the GRANT.

TIME is 2026-03-31, 2026-03-31 18:00 or 18:00:00, in UTC, or 2026-03-31T18:00:00+02:00.

Exit codes: 0, 1 an error.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if schema {
				_, err := io.WriteString(cmd.OutOrStdout(), report.Schema)
				return err
			}
			options := report.Options{AsOf: asOf.time, Since: since.time, Version: version()}
			for _, arg := range args {
				options.Roles = append(options.Roles, roleArgument(arg))
			}
			options.Command = reportLine(format, asOf, since, options.Roles)
			return c.lookLong(cmd.Context(), func(tx pgx.Tx) error {
				r, err := report.Read(cmd.Context(), tx, options)
				if err != nil {
					return err
				}
				switch format {
				case "json":
					return r.JSON(cmd.Context(), cmd.OutOrStdout())
				case "html":
					return r.HTML(cmd.Context(), cmd.OutOrStdout())
				default:
					return r.CSV(cmd.Context(), cmd.OutOrStdout())
				}
			})
		},
	}
	c.flags(cmd)
	cmd.ValidArgsFunction = c.completeRoles
	cmd.Flags().Var(&asOf, "as-of", "of what was on record at this time (default: what is there now)")
	cmd.Flags().Var(&since, "since", "from when on violations, reviews and requests are listed (default: 90 days before)")
	cmd.Flags().Var(&format, "output", "csv: the accesses alone; json and html: all")
	cmd.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of the json report instead")
	return cmd
}

// reportLine is the command that makes the report again, without the options of the connection.
func reportLine(format reportFormat, asOf, since instantFlag, roles []string) string {
	words := []string{"pg-sync-roles", "report", "--output", string(format)}
	for _, f := range []struct {
		name string
		flag instantFlag
	}{{"--as-of", asOf}, {"--since", since}} {
		if f.flag.time != nil {
			words = append(words, f.name, shellWord(f.flag.text))
		}
	}
	for _, role := range roles {
		words = append(words, shellWord(role))
	}
	return strings.Join(words, " ")
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_.:+-]+$`)

// shellWord quotes for a shell what needs it.
func shellWord(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// lookLong is look for what may take as long as it takes.
func (c *connection) lookLong(ctx context.Context, read func(tx pgx.Tx) error) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	patient := maps.Clone(settings)
	patient["statement_timeout"] = "0"
	return lookWith(ctx, config, patient, read)
}

type reportFormat string

// Set implements pflag.Value.
func (f *reportFormat) Set(s string) error {
	if s != "csv" && s != "json" && s != "html" {
		return fmt.Errorf("%q: allowed are csv, json and html", s)
	}
	*f = reportFormat(s)
	return nil
}

func (f *reportFormat) String() string { return string(*f) }

// Type implements pflag.Value.
func (f *reportFormat) Type() string { return "csv|json|html" }

// instantFlag is a time, in UTC where it does not say otherwise.
type instantFlag struct {
	text string
	time *time.Time
}

// Set implements pflag.Value.
func (f *instantFlag) Set(s string) error {
	layouts := []string{time.DateOnly, "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02T15:04:05", time.RFC3339, "2006-01-02 15:04:05Z07:00"}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil && t.Year() > 0 {
			f.text, f.time = s, &t
			return nil
		}
	}
	return fmt.Errorf("%q is no time: write it as 2026-03-31, as '2026-03-31 18:00' in UTC, or as 2026-03-31T18:00:00+02:00", s)
}

func (f *instantFlag) String() string { return f.text }

// Type implements pflag.Value.
func (f *instantFlag) Type() string { return "TIME" }
