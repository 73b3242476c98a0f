package audit

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// StoredPolicy is sync_roles.policy: options by name, as the daemon was started with them.
type StoredPolicy map[string][]string

var writePolicySQL = query("write_policy")

// WritePolicy writes down the daemon's options for the commands that obey them too.
func WritePolicy(ctx context.Context, db executor, policy StoredPolicy, instance string) error {
	text, err := json.Marshal(policy)
	if err != nil {
		return fmt.Errorf("write sync_roles.policy: %w", err)
	}
	if _, err := db.Exec(ctx, writePolicySQL, string(text), instance); err != nil {
		return fmt.Errorf("write sync_roles.policy: %w", err)
	}
	return nil
}

// ReadPolicy reads the daemon's options; it is empty where no daemon has run yet.
func ReadPolicy(ctx context.Context, q catalog.Querier) (StoredPolicy, error) {
	type row struct {
		Option string
		Value  []string
	}
	list, err := catalog.Collect[row](ctx, q, "select option, value from sync_roles.policy")
	if err != nil {
		return nil, fmt.Errorf("read sync_roles.policy: %w", err)
	}
	stored := StoredPolicy{}
	for _, r := range list {
		stored[r.Option] = r.Value
	}
	return stored, nil
}
