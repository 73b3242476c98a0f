package reconcile

import (
	"context"
	"embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

//go:embed sql/*.sql
var sqlFiles embed.FS

// query returns the text of sql/<name>.sql.
func query(name string) string {
	text, err := sqlFiles.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err) // the files are part of the program
	}
	return string(text)
}

var (
	rolesSQL              = query("roles")
	missingSQL            = query("missing")
	surplusGrantsSQL      = query("surplus_grants")
	surplusMembershipsSQL = query("surplus_memberships")
	surplusOwnershipsSQL  = query("surplus_ownerships")
	reachSQL              = query("reach")
	involvedSQL           = query("involved")
	keepersSQL            = query("keepers")
)

// readRoles reads what the roles are and should be.
func readRoles(ctx context.Context, tx pgx.Tx, names []string) (map[string]Role, error) {
	list, err := collect[Role](ctx, tx, rolesSQL, names)
	if err != nil {
		return nil, fmt.Errorf("read roles: %w", err)
	}
	roles := make(map[string]Role, len(list))
	for _, r := range list {
		roles[r.Name] = r
	}
	return roles, nil
}

// readDrift reads how the roles differ from what is desired. With renamed, it looks for objects that were renamed, too;
// with members, at all members of intermediate roles, also those outside the batch.
func readDrift(ctx context.Context, tx pgx.Tx, server catalog.Server, roles map[string]Role, policy Policy, renamed, members bool) (*Drift, error) {
	drift := &Drift{Roles: roles, Server: server}
	units := keys(roles)

	batch := &pgx.Batch{}
	queue(batch, missingSQL, &drift.Missing, units)
	// Nothing can be surplus where no row has gone, no role is exclusive and nothing was renamed. What intermediate roles were given besides
	// is found when all is looked at.
	surplus, memberships := renamed, renamed || members
	for _, r := range roles {
		surplus = surplus || r.Exclusive || r.Withdrawn || r.Intermediate && members
		memberships = memberships || surplus || r.IntermediateMember
	}
	if surplus {
		queue(batch, surplusGrantsSQL, &drift.Grants, units, renamed)
		queue(batch, surplusOwnershipsSQL, &drift.Ownerships, units, renamed)
	}
	if memberships {
		queue(batch, surplusMembershipsSQL, &drift.Memberships, units, renamed, members)
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("read what differs: %w", err)
	}
	drift.splitRemembered()

	var err error
	if drift.Rights, err = catalog.ReadRights(ctx, tx, drift.concerned(policy)); err != nil {
		return nil, err
	}
	if len(drift.Missing) > 0 {
		known, err := names(ctx, tx, "select role_name from sync_roles.keepers where role_oid in (select oid from pg_catalog.pg_roles)")
		if err != nil {
			return nil, fmt.Errorf("read keepers: %w", err)
		}
		drift.KnownKeepers = asSet(known)
	}
	if drift.Invalid, err = readInvalid(ctx, tx, drift.Missing); err != nil {
		return nil, err
	}
	if drift.Keepers, err = readKeepers(ctx, tx, drift.intermediates()); err != nil {
		return nil, err
	}
	if drift.Reach, err = readReach(ctx, tx, drift.membershipTargets(), policy.AllowMembershipIn); err != nil {
		return nil, err
	}
	return drift, nil
}

// splitRemembered moves the rows that are only about resolved_objects to where they belong.
func (d *Drift) splitRemembered() {
	missing := d.Missing[:0]
	for _, m := range d.Missing {
		if m.Privilege == "" {
			d.Remember = append(d.Remember, Remembered{m.Role, m.object()})
		} else {
			missing = append(missing, m)
		}
	}
	d.Missing = missing
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
		if len(alterations(r, policy)) > 0 || r.Intermediate {
			set[r.OID] = true
		}
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

func readReach(ctx context.Context, tx pgx.Tx, targets []catalog.OID, allowed []string) (map[catalog.OID][]Reached, error) {
	if len(targets) == 0 {
		return nil, nil
	}
	if allowed == nil {
		allowed = []string{}
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

func collect[T any](ctx context.Context, q catalog.Querier, sql string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[T])
}

func names(ctx context.Context, q catalog.Querier, sql string, args ...any) ([]string, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func queue[T any](batch *pgx.Batch, sql string, into *[]T, args ...any) {
	batch.Queue(sql, args...).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, pgx.RowToStructByPos[T])
		return err
	})
}
