package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

// policyOptions limit what rows can ask for. The daemon writes them into sync_roles.policy, and plan, sync and adopt take them from there.
var policyOptions = []string{
	"advisory-lock-key", "allow-attribute", "allow-membership-in", "fallback-owner", "max-direct-grantees", "max-revokes", "max-revokes-percent",
	"max-revokes-window", "protect", "prune-after",
}

// policyOf returns the policy options as the flags have them.
func policyOf(flags *pflag.FlagSet) audit.StoredPolicy {
	policy := audit.StoredPolicy{}
	for _, name := range policyOptions {
		f := flags.Lookup(name)
		switch list, ok := f.Value.(pflag.SliceValue); {
		case ok:
			policy[name] = append([]string{}, list.GetSlice()...)
		case f.Changed || name != "advisory-lock-key": // which has no default
			policy[name] = []string{f.Value.String()}
		}
	}
	return policy
}

// mergeDaemonPolicy sets the options that the caller has not given to what the daemon runs with, and warns of those that differ.
func mergeDaemonPolicy(flags *pflag.FlagSet, stored audit.StoredPolicy, warnings io.Writer) error {
	own := policyOf(flags)
	for _, name := range policyOptions {
		value, ok := stored[name]
		f := flags.Lookup(name)
		switch {
		case !ok || slices.Equal(value, own[name]):
		case f.Changed:
			_, _ = fmt.Fprintf(warnings, "Warning: --%s is %s here, and %s for the daemon (sync_roles.policy)\n", name, shownOption(own[name]), shownOption(value))
		default:
			if err := setOption(f, value); err != nil {
				return fmt.Errorf("take --%s from sync_roles.policy: %w", name, err)
			}
		}
	}
	return nil
}

func setOption(f *pflag.Flag, value []string) error {
	f.Changed = true
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.Replace(value)
	}
	if len(value) != 1 {
		return fmt.Errorf("it has %d values", len(value))
	}
	return f.Value.Set(value[0])
}

func shownOption(value []string) string {
	if len(value) == 0 || len(value) == 1 && value[0] == "" {
		return "not set"
	}
	return printable(strings.Join(value, ", "))
}

// applyDaemonPolicy gives an engine the policy of the daemon, where the caller's options say nothing else.
func (o *engineOptions) applyDaemonPolicy(ctx context.Context, engine *reconcile.Engine, flags *pflag.FlagSet, warnings io.Writer) error {
	stored, err := engine.StoredPolicy(ctx)
	if err != nil {
		return err
	}
	if err := mergeDaemonPolicy(flags, stored, warnings); err != nil {
		return err
	}
	engine.SetPolicy(o.policy(flags))
	return nil
}
