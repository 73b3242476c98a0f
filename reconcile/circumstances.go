package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

var (
	reachSQL         = query("reach")
	keepersSQL       = query("keepers")
	pythonMembersSQL = query("python_members")
)

// readCircumstances reads what deciding about a drift takes.
func (d *Drift) readCircumstances(ctx context.Context, tx pgx.Tx, policy Policy) error {
	var err error
	if err = d.readSchemas(ctx, tx); err != nil {
		return err
	}
	if d.Rights, err = catalog.ReadRights(ctx, tx, d.concerned(policy)); err != nil {
		return err
	}
	if usesKeepers(d.Server) && len(d.Missing)+len(d.Memberships) > 0 {
		if d.KnownKeepers, err = readKeeperSlots(ctx, tx); err != nil {
			return err
		}
	}
	if len(d.Missing) == 0 {
		return nil
	}
	if d.Keepers, err = readKeepers(ctx, tx, d.intermediates()); err != nil {
		return err
	}
	if d.Overloads, err = readOverloads(ctx, tx, d.Missing); err != nil {
		return err
	}
	d.Reach, err = readReach(ctx, tx, d.membershipTargets(), policy.allowedMemberships())
	return err
}

// concerned lists the roles over which the plan may need rights.
func (d *Drift) concerned(policy Policy) []catalog.OID {
	set := map[catalog.OID]bool{}
	for _, m := range d.Missing {
		if !m.MayGrant || m.AskedPrivilege == "OWNER" {
			set[m.Owner] = true
		}
		if m.AskedPrivilege == "MEMBER" {
			set[m.OID] = true
		}
		set[m.IntermediateOID] = true
		if m.AskedPrivilege == "OWNER" {
			set[d.Roles[m.Role].OID] = true
		}
	}
	for _, s := range d.Grants {
		set[s.Owner], set[s.Grantor] = true, true
	}
	for _, s := range d.Memberships {
		set[s.RoleOID], set[s.Grantor], set[s.MemberOID] = true, true, true
	}
	for _, s := range d.Ownerships {
		set[s.Owner] = true
	}
	for _, r := range d.Roles {
		if settings, _ := settingChanges(r); len(settings) > 0 || len(alterations(r, policy)) > 0 {
			set[r.OID] = true
		}
	}
	for _, s := range d.Schemas {
		set[s.Owner] = true
	}
	delete(set, 0)
	return keys(set)
}

func (d *Drift) membershipTargets() []catalog.OID {
	set := map[catalog.OID]bool{}
	for _, m := range d.Missing {
		if m.AskedPrivilege == "MEMBER" && m.OID != 0 {
			set[m.OID] = true
		}
	}
	return keys(set)
}

// intermediates lists the intermediate roles that the plan may give members to.
func (d *Drift) intermediates() []catalog.OID {
	set := map[catalog.OID]bool{}
	for _, m := range d.Missing {
		set[m.IntermediateOID] = true
	}
	delete(set, 0)
	return keys(set)
}

// readKeeperSlots returns the keepers as which the daemon may act, by the share of the intermediate roles that each has.
func readKeeperSlots(ctx context.Context, tx pgx.Tx) (map[int]string, error) {
	type keeper struct {
		Slot int
		Name string
	}
	list, err := collect[keeper](ctx, tx, "select k.slot, r.rolname from sync_roles.keepers as k join pg_catalog.pg_roles as r on r.oid = k.role_oid where k.slot is not null and pg_has_role(r.oid, 'SET')")
	if err != nil {
		return nil, fmt.Errorf("read keepers: %w", err)
	}
	slots := map[int]string{}
	for _, k := range list {
		slots[k.Slot] = k.Name
	}
	return slots, nil
}

func readKeepers(ctx context.Context, tx pgx.Tx, intermediates []catalog.OID) (map[catalog.OID]string, error) {
	keepers := map[catalog.OID]string{}
	if len(intermediates) == 0 {
		return keepers, nil
	}
	type row struct {
		OID    catalog.OID
		Keeper string
	}
	list, err := collect[row](ctx, tx, keepersSQL, intermediates)
	if err != nil {
		return nil, fmt.Errorf("read keepers of intermediate roles: %w", err)
	}
	for _, r := range list {
		keepers[r.OID] = r.Keeper
	}
	return keepers, nil
}

// routine is what overloads share.
type routine struct{ Schema, Name string }

// overloads names the routines that a row with argument types could have meant.
func (t *Target) overloads() routine {
	name, _, _ := strings.Cut(t.AskedName, "(")
	return routine{t.SchemaName, name}
}

// readOverloads reads what routines there are where rows name one that is not.
func readOverloads(ctx context.Context, tx pgx.Tx, missing []Missing) (map[routine][]string, error) {
	asked := map[routine]bool{}
	for _, m := range missing {
		if m.ObjectType == catalog.Routine && m.NameMatch == "exact" && !m.exists() {
			asked[m.overloads()] = true
		}
	}
	found := map[routine][]string{}
	for r := range asked {
		list, err := names(ctx, tx, "select signature from sync_roles.objects where object_type = 'routine' and schema_name = $1 and object_name = $2 order by 1", r.Schema, r.Name)
		if err != nil {
			return nil, fmt.Errorf("look for routines named %s.%s: %w", r.Schema, r.Name, err)
		}
		found[r] = list
	}
	return found, nil
}

func readReach(ctx context.Context, tx pgx.Tx, targets []catalog.OID, allowed []string) (map[catalog.OID][]Reached, error) {
	if len(targets) == 0 {
		return nil, nil
	}
	list, err := collect[Reached](ctx, tx, reachSQL, targets, allowed)
	if err != nil {
		return nil, fmt.Errorf("read what memberships reach: %w", err)
	}
	reach := map[catalog.OID][]Reached{}
	for _, r := range list {
		reach[r.Start] = append(reach[r.Start], r)
	}
	return reach, nil
}

// dropPythonMembers takes out of the drift what roles have through intermediate roles that the Python library made.
func (d *Drift) dropPythonMembers(ctx context.Context, tx pgx.Tx) error {
	type held struct {
		Role       string
		Class, OID catalog.OID
		Privilege  string
	}
	roles := map[string]bool{}
	for _, m := range d.Missing {
		if m.throughMembership() {
			roles[m.Role] = true
		}
	}
	if len(roles) == 0 {
		return nil
	}
	list, err := collect[held](ctx, tx, pythonMembersSQL, keys(roles))
	if err != nil {
		return fmt.Errorf("read memberships in the Python library's intermediate roles: %w", err)
	}
	has := make(map[held]bool, len(list))
	for _, h := range list {
		has[h] = true
	}
	if len(has) > 0 {
		d.Missing = slices.DeleteFunc(d.Missing, func(m Missing) bool { return m.throughMembership() && has[held{m.Role, m.Class, m.OID, m.Privilege}] })
	}
	return nil
}

// throughMembership reports whether a membership in an intermediate role can be what the row asks for.
func (t *Target) throughMembership() bool {
	return (t.Direct == nil || !*t.Direct) && !t.Grantable && t.ColumnName == "" && t.OID != 0
}
