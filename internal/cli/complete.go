package cli

import (
	"context"
	_ "embed"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

// completer offers the shell what an argument may be. What it cannot find out, it does not offer: an error would end up in the line that is being typed.
type completer func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective)

const (
	completionWait = 2 * time.Second // after which there is nothing to offer
	completions    = 500             // at most
)

//go:embed objectnames.sql
var objectNamesSQL string

const rolesSQL = `select rolname from pg_catalog.pg_roles where starts_with(rolname, $1) and rolname !~ '^(pg_|_pgsr_)' order by rolname limit $2`

// completeManaged offers the managed roles that are not named yet.
func (c *connection) completeManaged(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return c.offer(cmd, args, func(ctx context.Context, tx pgx.Tx) (names []string, err error) {
		list, err := audit.Statuses(ctx, tx, nil)
		for _, s := range list {
			if strings.HasPrefix(s.Role, begun) {
				names = append(names, s.Role)
			}
		}
		return names[:min(len(names), completions)], err
	})
}

// completeRoles offers all roles that are not named yet, but for PostgreSQL's own and ours.
func (c *connection) completeRoles(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return c.offer(cmd, args, column(rolesSQL, begun, completions))
}

// completeObjects offers tables, and types with which another object may begin; after one of these, objects of that type.
func (c *connection) completeObjects(cmd *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	typed := strings.Contains(begun, ":")
	list, directive := c.offer(cmd, nil, column(objectNamesSQL, begun, typed, completions))
	for _, name := range catalog.TypeNames() {
		if !typed && strings.HasPrefix(name, begun) {
			list = append(list, name+":")
			directive |= cobra.ShellCompDirectiveNoSpace
		}
	}
	return list, directive
}

// privileges are those that objects have (the manual's "Privileges").
var privileges = []string{
	"ALTER SYSTEM", "CONNECT", "CREATE", "DELETE", "EXECUTE", "INSERT", "MAINTAIN", "REFERENCES", "SELECT", "SET", "TEMPORARY", "TRIGGER", "TRUNCATE", "UPDATE", "USAGE",
}

// completePrivileges offers privileges, in the case in which the first one is begun.
func completePrivileges(_ *cobra.Command, _ []string, begun string) (offered []cobra.Completion, directive cobra.ShellCompDirective) {
	for _, name := range privileges {
		if begun != "" && begun == strings.ToLower(begun) {
			name = strings.ToLower(name)
		}
		if strings.HasPrefix(name, begun) {
			offered = append(offered, name)
		}
	}
	return offered, cobra.ShellCompDirectiveNoFileComp
}

// inOrder offers for each argument what it may be, and nothing behind the last one.
func inOrder(list ...completer) completer {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= len(list) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return list[len(args)](cmd, nil, begun)
	}
}

// column reads the names that a query returns.
func column(sql string, args ...any) func(context.Context, pgx.Tx) ([]string, error) {
	return func(ctx context.Context, tx pgx.Tx) ([]string, error) {
		return catalog.Column[string](ctx, tx, sql, args...)
	}
}

// offer offers the names that are read, without those that stand in the line already, and those that a line of a shell cannot have.
func (c *connection) offer(cmd *cobra.Command, named []string, read func(context.Context, pgx.Tx) ([]string, error)) ([]cobra.Completion, cobra.ShellCompDirective) {
	const nothing = cobra.ShellCompDirectiveNoFileComp
	ctx, cancel := context.WithTimeout(cmd.Context(), completionWait)
	defer cancel()
	cmd.SetErr(io.Discard) // of warnings
	if fromEnvironment(cmd.Flags(), os.LookupEnv) != nil {
		return nil, nothing
	}
	var list []string
	err := c.look(ctx, func(tx pgx.Tx) (err error) {
		list, err = read(ctx, tx)
		return err
	})
	if err != nil {
		return nil, nothing
	}
	var offered []cobra.Completion
	for _, name := range list {
		if name == printable(name) && !slices.Contains(named, name) {
			offered = append(offered, name)
		}
	}
	return offered, nothing
}
