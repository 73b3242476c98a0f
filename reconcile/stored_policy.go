package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
)

// StoredPolicy is sync_roles.policy: options by name, as the daemon was started with them.
type StoredPolicy map[string][]string

const writePolicySQL = `
	with given as (
		select o.option, array(select jsonb_array_elements_text(o.value)) as value
		from jsonb_each($1::jsonb) as o (option, value)
	),
	gone as (
		delete from sync_roles.policy where option not in (select option from given)
	)
	insert into sync_roles.policy (option, value, instance)
	select option, value, $2 from given
	on conflict (option) do update set value = excluded.value, instance = excluded.instance, set_at = now()
	where policy.value is distinct from excluded.value`

// StorePolicy writes down the daemon's options for the commands that obey them too.
func (e *Engine) StorePolicy(ctx context.Context, policy StoredPolicy) error {
	text, err := json.Marshal(policy)
	if err != nil {
		return fmt.Errorf("write sync_roles.policy: %w", err)
	}
	if _, err := e.conn.Exec(ctx, writePolicySQL, string(text), e.instance); err != nil {
		return fmt.Errorf("write sync_roles.policy: %w", err)
	}
	return nil
}

// StoredPolicy reads the daemon's options; it is empty where no daemon has run yet.
func (e *Engine) StoredPolicy(ctx context.Context) (StoredPolicy, error) {
	type row struct {
		Option string
		Value  []string
	}
	list, err := collect[row](ctx, e.conn, "select option, value from sync_roles.policy")
	if err != nil {
		return nil, fmt.Errorf("read sync_roles.policy: %w", err)
	}
	stored := StoredPolicy{}
	for _, r := range list {
		stored[r.Option] = r.Value
	}
	return stored, nil
}

// SetPolicy replaces the policy that the engine was opened with.
func (e *Engine) SetPolicy(policy Policy) { e.policy = policy }
