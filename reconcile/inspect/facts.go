package inspect

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

var (
	schemasSQL        = query("schemas")
	keepersSQL        = query("keepers")
	keeperSlotsSQL    = query("keeper_slots")
	reachableRolesSQL = query("reachable_roles")
	ownerChangesSQL   = query("owner_changes")
)

const overloadsSQL = "select signature from sync_roles.objects where object_type = 'routine' and schema_name = $1 and object_name = $2 order by 1"

// Facts reads the facts that a plan for the drift needs into f. The server, the keeper of the lock, and what was answered before stay.
func Facts(ctx context.Context, tx pgx.Tx, d *plan.Drift, f *plan.Facts, policy plan.Policy) error {
	needs := d.Needs(f.Server, policy)
	for _, read := range []func() error{
		func() (err error) { f.Schemas, err = readSchemas(ctx, tx, needs.Schemas); return err },
		func() (err error) { f.Owners, err = readOwners(ctx, tx, needs.Owners); return err },
		func() (err error) {
			f.Rights, err = catalog.ReadRights(ctx, tx, f.Server, d.RightsOver(f, policy))
			return err
		},
		func() (err error) { f.Slots, f.Shared, err = readSlots(ctx, tx, needs.Slots); return err },
		func() (err error) { f.Keepers, err = readKeepers(ctx, tx, f.Server, needs.Intermediates); return err },
		func() (err error) { f.Overloads, err = readOverloads(ctx, tx, needs.Overloads); return err },
		func() (err error) {
			f.Reachable, err = readReachable(ctx, tx, needs.Memberships, policy.AllowedMemberships())
			return err
		},
	} {
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}

func readSchemas(ctx context.Context, tx pgx.Tx, names []string) (map[string]plan.Schema, error) {
	schemas := map[string]plan.Schema{}
	if len(names) == 0 {
		return schemas, nil
	}
	list, err := catalog.Collect[plan.Schema](ctx, tx, schemasSQL, names)
	if err != nil {
		return nil, fmt.Errorf("read who owns schemas: %w", err)
	}
	for _, s := range list {
		schemas[s.Name] = s
	}
	return schemas, nil
}

func readOwners(ctx context.Context, tx pgx.Tx, changes []plan.OwnerChange) (map[plan.OwnerChange]plan.OwnerFacts, error) {
	owners := map[plan.OwnerChange]plan.OwnerFacts{}
	if len(changes) == 0 {
		return owners, nil
	}
	var to, schemas []string
	var classes, oids, from []catalog.OID
	for _, c := range changes {
		to, schemas = append(to, c.To), append(schemas, c.Object.Schema)
		classes, oids, from = append(classes, c.Object.Class), append(oids, c.Object.OID), append(from, c.Object.Owner)
	}
	list, err := catalog.Collect[plan.OwnerFacts](ctx, tx, ownerChangesSQL, to, schemas, classes, oids, from)
	if err != nil {
		return nil, fmt.Errorf("read what changes of owner take: %w", err)
	}
	for i, f := range list {
		owners[changes[i]] = f
	}
	return owners, nil
}

// readSlots returns the keepers as which the daemon may act, by the share of the intermediate roles that each has; and how many intermediate roles there
// are, up to as many as matter.
func readSlots(ctx context.Context, tx pgx.Tx, used bool) (slots map[int]string, intermediates int, err error) {
	slots = map[int]string{}
	if !used {
		return slots, 0, nil
	}
	type keeper struct {
		Slot          int
		Name          string
		Intermediates int
	}
	list, err := catalog.Collect[keeper](ctx, tx, keeperSlotsSQL)
	if err != nil {
		return nil, 0, fmt.Errorf("read keepers: %w", err)
	}
	for _, k := range list {
		intermediates = k.Intermediates
		if k.Slot >= 0 {
			slots[k.Slot] = k.Name
		}
	}
	return slots, intermediates, nil
}

func readKeepers(ctx context.Context, tx pgx.Tx, server catalog.Server, intermediates []catalog.OID) (map[catalog.OID]string, error) {
	keepers := map[catalog.OID]string{}
	if len(intermediates) == 0 || server.Citus { // of before the database was one of Citus (plan.UsesKeepers)
		return keepers, nil
	}
	type row struct {
		OID    catalog.OID
		Keeper string
	}
	list, err := catalog.Collect[row](ctx, tx, keepersSQL, intermediates)
	if err != nil {
		return nil, fmt.Errorf("read keepers of intermediate roles: %w", err)
	}
	for _, r := range list {
		keepers[r.OID] = r.Keeper
	}
	return keepers, nil
}

func readOverloads(ctx context.Context, tx pgx.Tx, routines []plan.Routine) (map[plan.Routine][]string, error) {
	overloads := map[plan.Routine][]string{}
	for _, r := range routines {
		list, err := catalog.Column[string](ctx, tx, overloadsSQL, r.Schema, r.Name)
		if err != nil {
			return nil, fmt.Errorf("look for routines named %s.%s: %w", r.Schema, r.Name, err)
		}
		overloads[r] = list
	}
	return overloads, nil
}

func readReachable(ctx context.Context, tx pgx.Tx, roles []catalog.OID, allowed []string) (map[catalog.OID][]plan.Reachable, error) {
	if len(roles) == 0 {
		return nil, nil
	}
	list, err := catalog.Collect[plan.Reachable](ctx, tx, reachableRolesSQL, roles, allowed)
	if err != nil {
		return nil, fmt.Errorf("read what memberships reach: %w", err)
	}
	reachable := map[catalog.OID][]plan.Reachable{}
	for _, r := range list {
		reachable[r.Start] = append(reachable[r.Start], r)
	}
	return reachable, nil
}
