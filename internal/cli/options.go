package cli

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pg-sync-roles/pg-sync-roles/internal/daemon"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// engineOptions are the options of the commands that reconcile.
type engineOptions struct {
	lockTimeout, statementTimeout time.Duration
	advisoryLockKey               int64
	protect, allowMembershipIn    []string
	allowAttribute                []string
	maxDirectGrantees             int
	fallbackOwner                 string
	pruneAfter                    time.Duration
	maxRevokes, maxRevokesPercent int
	maxRevokesWindow              time.Duration
	logLevel, logFormat           string
}

func (o *engineOptions) flags(cmd *cobra.Command, logLevel string) { o.addTo(cmd.Flags(), logLevel) }

func (o *engineOptions) addTo(f *pflag.FlagSet, logLevel string) {
	defaults := daemon.DefaultPolicy()
	f.DurationVar(&o.lockTimeout, "lock-timeout", daemon.LockTimeout, "how long to wait for any lock")
	f.DurationVar(&o.statementTimeout, "statement-timeout", daemon.StatementTimeout, "how long any statement may take")
	f.Int64Var(&o.advisoryLockKey, "advisory-lock-key", 0, "also take pg_advisory_xact_lock with this key, for tools that coordinate by it (default: off)")
	f.StringArrayVar(&o.protect, "protect", nil, "never manage this role (may be repeated)")
	f.StringArrayVar(&o.allowMembershipIn, "allow-membership-in", nil, "let rows ask for membership in this privileged role, and what it reaches (may be repeated)")
	f.StringArrayVar(&o.allowAttribute, "allow-attribute", nil, "let rows give this attribute: createrole, replication or bypassrls (may be repeated)")
	f.IntVar(&o.maxDirectGrantees, "max-direct-grantees", defaults.MaxDirectGrantees, "ACL entries of an object from which grants by exact name go through an intermediate role")
	f.StringVar(&o.fallbackOwner, "fallback-owner", "", "the new owner of what a role may no longer own (default: the connected role)")
	f.DurationVar(&o.pruneAfter, "prune-after", daemon.PruneAfter, "how long an intermediate role that holds nothing is kept")
	f.IntVar(&o.maxRevokes, "max-revokes", defaults.Limit.Revokes, "hold more revokes than so many at once, if they are also more than --max-revokes-percent; 0: no limit")
	f.IntVar(&o.maxRevokesPercent, "max-revokes-percent", defaults.Limit.Percent, "hold only what also exceeds this percentage of the privileges that roles hold through rows; 0: --max-revokes alone decides")
	f.DurationVar(&o.maxRevokesWindow, "max-revokes-window", defaults.Limit.Window, "revokes in this time count together; 0: each deletion is measured by itself")
	f.StringVar(&o.logLevel, "log-level", logLevel, "debug, info, warn or error")
	f.StringVar(&o.logFormat, "log-format", "", "json or console (default: console on a terminal, else json)")
}

// config checks the options.
func (o *engineOptions) config(cmd *cobra.Command) (reconcile.Config, error) {
	for _, a := range o.allowAttribute {
		if !slices.Contains([]string{"createrole", "replication", "bypassrls"}, a) {
			return reconcile.Config{}, usageError{fmt.Errorf("--allow-attribute %q: allowed are createrole, replication and bypassrls", a)}
		}
	}
	if o.maxDirectGrantees < 0 {
		return reconcile.Config{}, usageError{fmt.Errorf("--max-direct-grantees %d: must not be negative", o.maxDirectGrantees)}
	}
	for name, d := range map[string]time.Duration{"lock-timeout": o.lockTimeout, "statement-timeout": o.statementTimeout} {
		if d < time.Millisecond {
			return reconcile.Config{}, usageError{fmt.Errorf("--%s %s: must be at least 1ms", name, d)}
		}
	}
	if o.pruneAfter < 0 {
		return reconcile.Config{}, usageError{fmt.Errorf("--prune-after %s: must not be negative", o.pruneAfter)}
	}
	if o.maxRevokes < 0 {
		return reconcile.Config{}, usageError{fmt.Errorf("--max-revokes %d: must not be negative", o.maxRevokes)}
	}
	if o.maxRevokesPercent < 0 || o.maxRevokesPercent > 100 {
		return reconcile.Config{}, usageError{fmt.Errorf("--max-revokes-percent %d: must be from 0 to 100", o.maxRevokesPercent)}
	}
	if o.maxRevokesWindow < 0 || o.maxRevokesWindow > 24*time.Hour {
		return reconcile.Config{}, usageError{fmt.Errorf("--max-revokes-window %s: must be from 0 to 24h", o.maxRevokesWindow)}
	}
	log, err := o.logger(cmd.ErrOrStderr())
	if err != nil {
		return reconcile.Config{}, err
	}
	return reconcile.Config{Policy: o.policy(cmd.Flags()), LockTimeout: o.lockTimeout, StatementTimeout: o.statementTimeout, Log: log}, nil
}

func (o *engineOptions) policy(flags *pflag.FlagSet) plan.Policy {
	policy := plan.Policy{
		MaxDirectGrantees:   o.maxDirectGrantees,
		Protect:             o.protect,
		AllowMembershipIn:   o.allowMembershipIn,
		AllowAttribute:      o.allowAttribute,
		FallbackOwner:       o.fallbackOwner,
		PruneEmptyAfterSecs: int64(o.pruneAfter / time.Second),
		Limit:               plan.Limit{Revokes: o.maxRevokes, Percent: o.maxRevokesPercent, Window: o.maxRevokesWindow},
	}
	if flags.Changed("advisory-lock-key") {
		policy.AdvisoryLockKey = &o.advisoryLockKey
	}
	return policy
}

func (o *engineOptions) logger(w io.Writer) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(o.logLevel)
	if err != nil || level > zerolog.ErrorLevel || level < zerolog.DebugLevel {
		return zerolog.Logger{}, usageError{fmt.Errorf("--log-level %q: allowed are debug, info, warn and error", o.logLevel)}
	}
	format := o.logFormat
	if format == "" {
		format = "json"
		if isTerminal(w) {
			format = "console"
		}
	}
	switch format {
	case "json":
	case "console":
		if isTerminal(w) {
			w = unwrapped(w) // for the colours
		}
		w = zerolog.ConsoleWriter{
			Out: w, TimeFormat: time.TimeOnly, NoColor: !isTerminal(w),
			FormatFieldValue: func(v any) string { return printable(fmt.Sprintf("%s", v)) },
		}
	default:
		return zerolog.Logger{}, usageError{fmt.Errorf("--log-format %q: allowed are json and console", format)}
	}
	// The listener, and the loops of several databases, log at the same time.
	return zerolog.New(zerolog.SyncWriter(w)).Level(level).With().Timestamp().Logger(), nil
}
