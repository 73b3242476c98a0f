package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Exit codes besides 0 and 1.
const (
	exitDiffers = 2  // plan: there is something to do; status: something is not in order
	exitUsage   = 64 // EX_USAGE of sysexits.h
)

// exitError carries an exit code up to Run, so that everything deferred on the way runs.
type exitError struct{ code int }

func (e exitError) Error() string { return fmt.Sprintf("exit %d", e.code) }

// usageError is a call that cannot be understood.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Run runs one command and returns the exit code. Data goes to stdout, everything else to stderr.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	stdout, stderr = screen{stdout}, screen{stderr}
	root := newRoot(stdin, stdout, stderr) //nolint:contextcheck // each command has the context that ExecuteContextC gives it
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)

	var exit exitError
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &usage), isUnknownCommand(err):
		_, _ = fmt.Fprintf(stderr, "Error: %s\nTry: %s --help\n", printable(err.Error()), command.CommandPath())
		return exitUsage
	default:
		_, _ = fmt.Fprintf(stderr, "Error: %s\n", errorText(err))
		return 1
	}
}

// cobra has no type for these.
func isUnknownCommand(err error) bool {
	return strings.HasPrefix(err.Error(), "unknown command ")
}

// Command is the command tree, for the manual pages and completions that are made from it.
func Command() *cobra.Command {
	return newRoot(strings.NewReader(""), io.Discard, io.Discard)
}

func newRoot(stdin io.Reader, stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:     "pg-sync-roles",
		Version: versionLine(),
		Short:   "Keeps PostgreSQL roles' privileges equal to rows in a table",
		Long: `pg-sync-roles keeps PostgreSQL roles' privileges equal to rows in a table.

The database is named by --database-url, by a file (--database-url-file), else by libpq's environment (PGHOST, PGDATABASE, PGSERVICE, …).
A password belongs in a file or in the environment, not on the command line.
Every option can also be given by environment: --lock-timeout is PG_SYNC_ROLES_LOCK_TIMEOUT.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return fromEnvironment(cmd.Flags(), os.LookupEnv)
		},
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(setupCommand(), migrateCommand(), runCommand(), syncCommand(), planCommand(), statusCommand(), adoptCommand(), retireCommand(), exportCommand(), applyCommand(), explainCommand(), whoCommand(), reportCommand(), auditCommand(), passwordCommand(), demoCommand(), versionCommand())
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		asUsageErrors(c)
		if c.Name() == "completion" {
			c.Args = func(_ *cobra.Command, args []string) error {
				if len(args) == 0 {
					return nil
				}
				return usageError{fmt.Errorf("unknown shell %q: allowed are bash, fish, powershell and zsh", args[0])}
			}
			c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
	return root
}

// asUsageErrors makes wrong arguments usage errors.
func asUsageErrors(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		asUsageErrors(sub)
	}
}

// fromEnvironment gives options that were not on the command line the value of their environment variable.
func fromEnvironment(flags *pflag.FlagSet, lookup func(string) (string, bool)) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		name := "PG_SYNC_ROLES_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := lookup(name)
		if f.Changed || !ok || value == "" || err != nil {
			return
		}
		if setErr := flags.Set(f.Name, value); setErr != nil {
			err = usageError{fmt.Errorf("environment variable %s: %w", name, setErr)}
		}
		_ = flags.SetAnnotation(f.Name, environment, nil) // the flag exists
	})
	return err
}

// environment marks a flag whose value the environment gave.
const environment = "environment"

// typed reports whether an option stands on the command line.
func typed(flags *pflag.FlagSet, name string) bool {
	f := flags.Lookup(name)
	_, fromEnvironment := f.Annotations[environment]
	return f.Changed && !fromEnvironment
}
