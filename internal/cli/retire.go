package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/internal/connect"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// retireOptions are the options of retire.
type retireOptions struct {
	urls, files []string
	reassignTo  string
	timeout     time.Duration
}

func retireCommand() *cobra.Command {
	var o retireOptions
	cmd := &cobra.Command{
		Use:   "retire ROLE…",
		Short: "Take everything from roles, give away what they own, and drop them",
		Long: `retire writes into sync_roles.desired_roles of each database given that these roles are retired, and waits until the daemons of these databases have
dropped them: each takes away what the role has in its database, gives what it owns to --reassign-to, and the last drops the role.

A role that has something in a database which is not given stays, and so does one that waits for an approval or for a right of the daemon's: then
the command says what is left, and where. It can be run again, and the daemons go on without it.

Exit codes: 0 all have gone, 1 not yet, or an error.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.timeout < 0 {
				return usageError{fmt.Errorf("--timeout %s: must not be negative", o.timeout)}
			}
			return o.run(cmd, slices.Compact(slices.Sorted(slices.Values(args))))
		},
	}
	cmd.Flags().StringArrayVarP(&o.urls, urlFlag, "d", nil, "connection URL or keyword/value string; may be repeated, for each database in which the roles have anything (default: libpq's environment)")
	cmd.Flags().StringArrayVar(&o.files, fileFlag, nil, fileHelp+" (may be repeated)")
	cmd.Flags().StringVar(&o.reassignTo, "reassign-to", "", "the role that gets what they own (default: as their rows say, else the daemon's --fallback-owner, else its own role)")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long to wait for them to go; 0: only write the rows")
	return cmd
}

// retiringIn is a database in which roles are being retired.
type retiringIn struct {
	conn   *pgx.Conn
	name   string
	told   map[string]string // what was last said about each role
	poked  time.Time
	status []audit.Status
}

func (o *retireOptions) run(cmd *cobra.Command, roles []string) error {
	ctx := cmd.Context()
	databases, err := o.open(cmd)
	defer func() {
		for _, d := range databases {
			_ = catalog.Close(context.WithoutCancel(ctx), d.conn)
		}
	}()
	if err != nil {
		return err
	}
	if err := o.write(ctx, databases, roles); err != nil {
		return err
	}
	left, err := o.wait(cmd, databases, roles)
	if err != nil {
		return err
	}
	for _, role := range roles {
		if !slices.Contains(left, role) {
			if _, err := fmt.Fprintf(cmd.OutOrStdout(), "Role %q has gone.\n", role); err != nil {
				return err
			}
		}
	}
	if len(left) == 0 {
		return nil
	}
	if err := printLeft(cmd, databases, left); err != nil {
		return err
	}
	return exitError{1}
}

// open connects to all databases that are given.
func (o *retireOptions) open(cmd *cobra.Command) (list []*retiringIn, err error) {
	given, err := sources(cmd.Flags(), o.urls, o.files)
	if err != nil {
		return nil, err
	}
	for _, source := range given {
		config, warnings, err := source.Config()
		if err != nil {
			return list, usageError{err}
		}
		for _, warning := range warnings {
			_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "Warning: %s\n", warning)
		}
		config = catalog.Pin(config)
		maps.Copy(config.RuntimeParams, settings)
		conn, err := pgx.ConnectConfig(cmd.Context(), config)
		if err != nil {
			return list, connect.Explained(err)
		}
		list = append(list, &retiringIn{conn: conn, name: config.Database, told: map[string]string{}})
		if err := checkSchema(cmd.Context(), conn, config.Database); err != nil {
			return list, err
		}
	}
	return list, nil
}

const (
	knownSQL = `
		select n.role_name
		from unnest($1::text[]) as n (role_name)
		where exists (select from pg_catalog.pg_roles as r where r.rolname = n.role_name)
			or exists (select from sync_roles.desired_roles as d where d.role_name = n.role_name)`

	retireSQL = `
		insert into sync_roles.desired_roles as d (role_name, state, reassign_to)
		select n.role_name, 'retired', nullif($2, '')
		from unnest($1::text[]) as n (role_name)
		on conflict (role_name) do update set state = excluded.state, reassign_to = coalesce(excluded.reassign_to, d.reassign_to)`

	presentSQL = "select r.rolname::text from pg_catalog.pg_roles as r where r.rolname = any ($1)"

	// emptySQL lists roles of which nothing is left in any database.
	emptySQL = `
		select r.rolname::text
		from pg_catalog.pg_roles as r
		where r.rolname = any ($1)
			and not exists (
				select from pg_catalog.pg_shdepend as s where s.refclassid = 'pg_catalog.pg_authid'::regclass and s.refobjid = r.oid
			)`
)

// write writes the rows into all databases, or, where one refuses them, into none.
func (o *retireOptions) write(ctx context.Context, databases []*retiringIn, roles []string) error {
	var open []pgx.Tx
	defer func() {
		for _, tx := range open {
			_ = tx.Rollback(context.WithoutCancel(ctx))
		}
	}()
	for _, d := range databases {
		known, err := catalog.Column[string](ctx, d.conn, knownSQL, roles)
		if err != nil {
			return fmt.Errorf("database %q: look for the roles: %w", d.name, err)
		}
		for _, role := range roles {
			if !slices.Contains(known, role) {
				return fmt.Errorf("role %q neither exists nor has a row in sync_roles.desired_roles of database %q", role, d.name)
			}
		}
		tx, err := d.conn.Begin(ctx)
		if err != nil {
			return fmt.Errorf("database %q: begin: %w", d.name, err)
		}
		open = append(open, tx)
		if _, err := tx.Exec(ctx, retireSQL, roles, o.reassignTo); err != nil {
			return fmt.Errorf("database %q: write the rows: %w", d.name, err)
		}
	}
	for i, tx := range open {
		if err := tx.Commit(ctx); err != nil {
			return fmt.Errorf("database %q: commit the rows: %w", databases[i].name, err)
		}
	}
	return nil
}

// retirePoll is how often it is asked whether the roles have gone.
const retirePoll = 100 * time.Millisecond

// pokeAfter is how long a database in which nothing is left has to find out by itself that nothing is in the others either.
const pokeAfter = 2 * time.Second

// wait waits until the roles have gone, and returns those that have not in time. On the way it says what is left.
func (o *retireOptions) wait(cmd *cobra.Command, databases []*retiringIn, roles []string) (left []string, err error) {
	ctx := cmd.Context()
	until := time.Now().Add(o.timeout)
	for {
		left = nil
		for _, d := range databases {
			present, err := d.look(cmd, roles)
			if err != nil {
				return nil, err
			}
			left = append(left, present...)
		}
		slices.Sort(left)
		if left = slices.Compact(left); len(left) == 0 || !time.Now().Before(until) {
			return left, nil
		}
		select {
		case <-ctx.Done():
			return left, ctx.Err()
		case <-time.After(retirePoll):
		}
	}
}

// look finds out which of the roles are there still, and says what is new about them.
func (d *retiringIn) look(cmd *cobra.Command, roles []string) (present []string, err error) {
	ctx := cmd.Context()
	if present, err = catalog.Column[string](ctx, d.conn, presentSQL, roles); err != nil {
		return nil, fmt.Errorf("database %q: look for the roles: %w", d.name, err)
	}
	if d.status, err = audit.Statuses(ctx, d.conn, roles); err != nil {
		return nil, fmt.Errorf("database %q: %w", d.name, err)
	}
	if len(present) == 0 {
		return nil, nil
	}
	for _, s := range d.status {
		if text := s.Status + ": " + whyStatus(s); s.PendingSince == nil && slices.Contains(present, s.Role) && d.told[s.Role] != text {
			d.told[s.Role] = text
			_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "database %s: role %s is %s\n", d.name, s.Role, text)
		}
	}
	return present, d.poke(ctx, present)
}

// poke queues roles of which nothing is left: that the other databases have let go of them is no event in this one.
func (d *retiringIn) poke(ctx context.Context, roles []string) error {
	if d.poked.IsZero() {
		d.poked = time.Now()
	}
	if time.Since(d.poked) < pokeAfter {
		return nil
	}
	d.poked = time.Now()
	empty, err := catalog.Column[string](ctx, d.conn, emptySQL, roles)
	if err != nil {
		return fmt.Errorf("database %q: look for what is left: %w", d.name, err)
	}
	waiting := slices.DeleteFunc(empty, func(role string) bool {
		return !slices.ContainsFunc(d.status, func(s audit.Status) bool {
			return s.Role == role && s.Status == string(plan.Waiting) && s.Sessions == 0
		})
	})
	if len(waiting) == 0 {
		return nil
	}
	if _, err := d.conn.Exec(ctx, "update sync_roles.desired_roles set state = state where role_name = any ($1)", waiting); err != nil {
		return fmt.Errorf("database %q: queue roles of which nothing is left: %w", d.name, err)
	}
	return nil
}

// printLeft prints the leftovers of roles that have not gone.
func printLeft(cmd *cobra.Command, databases []*retiringIn, left []string) error {
	var b strings.Builder
	for _, role := range left {
		fmt.Fprintf(&b, "Role %q is not gone yet:\n", role)
		for _, d := range databases {
			for _, s := range d.status {
				if s.Role == role {
					b.WriteString(describeLeft(d.name, s))
				}
			}
		}
	}
	if _, err := fmt.Fprint(cmd.OutOrStdout(), b.String()); err != nil {
		return errors.Join(errors.New("say what is left"), err)
	}
	return nil
}

func describeLeft(database string, s audit.Status) string {
	text := fmt.Sprintf("  database %s: %s\n", database, s.Status)
	if s.Status == "pending" {
		text = fmt.Sprintf("  database %s: pending; is its daemon running?\n", database)
	}
	for _, p := range s.Problems {
		text += "    " + catalog.Printable(p.Reason) + "\n"
		if p.Fix != "" {
			text += "      to allow it: " + catalog.Printable(p.Fix) + "\n"
		}
	}
	return text
}
