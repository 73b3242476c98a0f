package cli

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pg-sync-roles/pg-sync-roles/internal/connect"
	"github.com/pg-sync-roles/pg-sync-roles/internal/daemon"
)

func runCommand() *cobra.Command {
	var urls, files, patterns []string
	var o engineOptions
	var interval time.Duration
	var noMigrate bool
	retention := days(daemon.Retention)
	var listenAddress, tlsCert, tlsKey string
	var ui bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "The daemon: keep roles as desired until told to stop",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := o.config(cmd)
			if err != nil {
				return err
			}
			if interval < time.Second {
				return usageError{fmt.Errorf("--rescan-interval %s: must be at least 1s", interval)}
			}
			if err := checkListenAddress(listenAddress); err != nil {
				return err
			}
			whole := daemon.Config{
				Engine: config, Policy: policyOf(cmd.Flags()), RescanInterval: interval, Migrate: !noMigrate, Retention: time.Duration(retention),
				ListenAddress: listenAddress, UI: ui, TLSCert: tlsCert, TLSKey: tlsKey, Version: version(), Databases: patterns,
			}
			if err := daemon.CheckUI(whole); err != nil {
				return usageError{err}
			}
			databases, err := sources(cmd.Flags(), urls, files)
			if err != nil {
				return err
			}
			if err := checkPatterns(patterns, databases); err != nil {
				return err
			}
			for _, source := range databases {
				_, warnings, err := source.Config()
				if err != nil {
					return usageError{err}
				}
				for _, warning := range warnings {
					config.Log.Warn().Msg(warning)
				}
			}
			err = daemon.Run(cmd.Context(), databases, whole)
			if call := new(daemon.CallError); errors.As(err, call) {
				return usageError{err}
			}
			return err
		},
	}
	cmd.Flags().StringArrayVar(&files, fileFlag, nil, fileHelp+" (may be repeated)")
	cmd.Flags().StringArrayVarP(&urls, urlFlag, "d", nil, "connection URL or keyword/value string; may be repeated, one loop for each database (default: libpq's environment)")
	cmd.Flags().StringArrayVar(&patterns, databasesFlag, nil, "serve every database of the server that matches this pattern, such as tenant_%, also those that come later; --database-url names any database, to connect to first (may be repeated)")
	cmd.Flags().DurationVar(&interval, "rescan-interval", daemon.RescanInterval, "how often every role is inspected, and with --databases how often databases are looked for")
	cmd.Flags().BoolVar(&noMigrate, "no-migrate", false, "do not install or upgrade the schema first")
	cmd.Flags().Var(&retention, "audit-retention", "how long rows of the audit and rescans are kept; 0: for ever")
	cmd.Flags().StringVar(&listenAddress, "listen-address", "", "host:port to serve /healthz, /readyz and /metrics on (default: off)")
	cmd.Flags().BoolVar(&ui, "ui", false, "also serve a page there, to look at, for people with a login of the database; on another address than this machine's own it needs TLS")
	cmd.Flags().StringVar(&tlsCert, "tls-cert", "", "file with the certificate (PEM, with its chain), to serve all on --listen-address over TLS; read again when it changes")
	cmd.Flags().StringVar(&tlsKey, "tls-key", "", "file with the certificate's key")
	o.flags(cmd, "info")
	return cmd
}

const databasesFlag = "databases"

// checkPatterns finds out by looking at them whether patterns of databases can be used.
func checkPatterns(patterns []string, databases []connect.Source) error {
	for _, pattern := range patterns {
		if pattern == "" {
			return usageError{fmt.Errorf("--%s: the pattern is empty; %% matches every database", databasesFlag)}
		}
		if strings.HasSuffix(strings.ReplaceAll(pattern, `\\`, ""), `\`) {
			return usageError{fmt.Errorf("--%s %q: ends with a backslash, which escapes the next character", databasesFlag, pattern)}
		}
	}
	if len(patterns) > 0 && len(databases) > 1 {
		return usageError{fmt.Errorf("--%s: %d connection strings are given; it takes one, of any database of the server", databasesFlag, len(databases))}
	}
	return nil
}

// checkListenAddress finds out by looking at it whether an address can be one.
func checkListenAddress(address string) error {
	if address == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return usageError{fmt.Errorf("--listen-address %q: must be host:port, such as 127.0.0.1:8080, or :8080 for all of the host's addresses", address)}
	}
	return nil
}
