package cli

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pg-sync-roles/pg-sync-roles/internal/connect"
	"github.com/pg-sync-roles/pg-sync-roles/internal/daemon"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
)

func demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Play the README's example on a throw-away PostgreSQL",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
}

//go:embed demo_setup.sql
var demoSetup string

// demo starts a server, installs, runs the daemon as a role that is no superuser, and plays the example in front of it.
func demo(ctx context.Context, stdout, stderr io.Writer) (err error) {
	bin, err := pgserver.Locate(ctx, stderr)
	if err != nil {
		return err
	}
	server, err := pgserver.Start(ctx, pgserver.Config{BinDir: bin})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop(context.WithoutCancel(ctx))) }()

	d := &demonstration{server: server, out: stdout}
	d.say("A throw-away PostgreSQL from %s is running. A DBA sets up a database, and a role for the daemon that is no superuser.", bin)
	d.as(ctx, "postgres", "CREATE DATABASE warehouse")
	d.as(ctx, "warehouse", demoSetup)

	daemonCtx, stop := context.WithCancel(ctx)
	defer stop()
	done := d.daemon(daemonCtx)
	defer func() {
		stop()
		if daemonErr := <-done; err == nil {
			err = daemonErr
		}
	}()
	d.waitForSchema(ctx)
	d.play(ctx)
	return d.err
}

type demonstration struct {
	server *pgserver.Server
	out    io.Writer
	err    error
}

// daemon runs what "pg-sync-roles run" runs.
func (d *demonstration) daemon(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	var o engineOptions
	flags := pflag.NewFlagSet("run", pflag.ContinueOnError)
	o.addTo(flags, "error")
	config := daemon.Config{
		Engine: reconcile.Config{Policy: daemon.DefaultPolicy(), Log: zerolog.Nop()}, Policy: policyOf(flags), RescanInterval: daemon.RescanInterval, Migrate: true,
	}
	go func() {
		done <- daemon.Run(ctx, []connect.Source{{Text: d.server.URL("sync_daemon", "warehouse")}}, config)
	}()
	return done
}

func (d *demonstration) waitForSchema(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for d.err == nil {
		var there bool
		d.err = d.with(ctx, "sync_daemon", func(conn *pgx.Conn) error {
			return conn.QueryRow(ctx, "select to_regprocedure('sync_roles.wait_for_sync(text,interval)') is not null").Scan(&there)
		})
		if there {
			return
		}
		if sleepErr := pauseFor(ctx, 50*time.Millisecond); sleepErr != nil {
			d.err = fmt.Errorf("wait until the daemon has installed its schema: %w", sleepErr)
		}
	}
}

func pauseFor(ctx context.Context, duration time.Duration) error {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (d *demonstration) play(ctx context.Context) {
	d.say("The daemon is running (pg-sync-roles run). An ETL job says in SQL which privileges alice should have:")
	d.sql(ctx, "etl", `INSERT INTO sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match, note) VALUES
  ('alice', 'CONNECT', 'database', NULL, 'warehouse', 'exact', 'JIRA-17'),
  ('alice', 'USAGE',   'schema',   NULL, 'sales',     'exact', 'JIRA-17'),
  ('alice', 'SELECT',  'table',    'sales', 'orders_%', 'like', 'JIRA-17');
INSERT INTO sync_roles.desired_roles (role_name, login) VALUES ('alice', true);`)
	d.sql(ctx, "etl", "SELECT sync_roles.wait_for_sync('alice')")
	d.sql(ctx, "alice", "SELECT count(*) FROM sales.orders_2025")

	d.say("dbt rebuilds the table; a rescan (here: pg-sync-roles sync) gives its readers back what they had.")
	d.sql(ctx, "etl", "SET ROLE sales_owner; CREATE TABLE sales.orders_new AS SELECT * FROM sales.orders_2025; DROP TABLE sales.orders_2025; ALTER TABLE sales.orders_new RENAME TO orders_2025")
	d.sync(ctx)
	d.sql(ctx, "alice", "SELECT count(*) FROM sales.orders_2025")

	d.say("The rows are deleted: the access is gone.")
	d.sql(ctx, "etl", "DELETE FROM sync_roles.desired_grants WHERE role_name = 'alice'")
	d.sql(ctx, "etl", "SELECT sync_roles.wait_for_sync('alice')")
	d.sql(ctx, "alice", "SELECT count(*) FROM sales.orders_2025")

	d.say("What happened, and who asked for it:")
	d.sql(ctx, "etl", "SELECT role_name, cause, outcome, granted, revoked, requested_by, array_to_string(statements, E'\\n') AS statements FROM sync_roles.audit ORDER BY id")
	d.say("That was it; the server and its files are removed. Next: README.md, \"Install\".")
}

func (d *demonstration) say(format string, args ...any) {
	if d.err == nil {
		_, d.err = fmt.Fprintf(d.out, "\n# "+format+"\n", args...)
	}
}

// sql runs and shows statements as a role. That the role is refused is part of the show.
func (d *demonstration) sql(ctx context.Context, role, sql string) {
	if d.err != nil {
		return
	}
	_, _ = fmt.Fprintf(d.out, "%s=> %s\n", role, strings.ReplaceAll(sql, "\n", "\n       "))
	d.err = d.with(ctx, role, func(conn *pgx.Conn) error {
		results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
		for _, r := range results {
			d.print(r)
		}
		return err
	})
	var refused *pgconn.PgError
	if errors.As(d.err, &refused) && refused.Code == "42501" {
		_, d.err = fmt.Fprintf(d.out, "ERROR:  %s\n", refused.Message)
	}
}

func (d *demonstration) print(r *pgconn.Result) {
	if len(r.FieldDescriptions) == 0 || len(r.Rows) == 0 {
		_, _ = fmt.Fprintln(d.out, r.CommandTag)
		return
	}
	for _, row := range r.Rows {
		for i, f := range r.FieldDescriptions {
			if len(row[i]) > 0 {
				_, _ = fmt.Fprintf(d.out, "  %s: %s\n", f.Name, strings.ReplaceAll(string(row[i]), "\n", "\n    "))
			}
		}
		if len(r.Rows) > 1 {
			_, _ = fmt.Fprintln(d.out)
		}
	}
}

// as runs statements as the superuser without showing them.
func (d *demonstration) as(ctx context.Context, database, sql string) {
	if d.err != nil {
		return
	}
	d.err = d.connect(ctx, pgserver.Superuser, database, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, sql)
		return err
	})
}

func (d *demonstration) with(ctx context.Context, role string, do func(*pgx.Conn) error) error {
	return d.connect(ctx, role, "warehouse", do)
}

func (d *demonstration) connect(ctx context.Context, role, database string, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, d.server.URL(role, database))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	return do(conn)
}

func (d *demonstration) sync(ctx context.Context) {
	if d.err != nil {
		return
	}
	_, _ = fmt.Fprintln(d.out, "$ pg-sync-roles sync")
	var stderr strings.Builder
	if code := Run(ctx, []string{"sync", "-d", d.server.URL("sync_daemon", "warehouse")}, strings.NewReader(""), d.out, &stderr); code != 0 {
		d.err = fmt.Errorf("sync: %s", stderr.String())
	}
}
