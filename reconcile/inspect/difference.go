package inspect

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

var (
	missingGrantsSQL      = query("missing_grants")
	missingMembershipsSQL = query("missing_memberships")
	missingOwnershipsSQL  = query("missing_ownerships")
	surplusGrantsSQL      = query("surplus_grants")
	foreignGrantsSQL      = query("foreign_grants")
	surplusMembershipsSQL = query("surplus_memberships")
	surplusOwnershipsSQL  = query("surplus_ownerships")
	passedBySQL           = query("passed_by")
	legacyPrivilegesSQL   = query("legacy_privileges")
	defaultPrivilegesSQL  = query("default_privileges")
)

// lacking is a row of the queries for what is missing: a target, and the roles that lack it.
type lacking struct {
	GrantIDs  []int64 `db:"grant_ids"`
	RoleNames []string
	plan.Target
}

// Differences reads how roles differ from their rows, into the drift.
func Differences(ctx context.Context, tx pgx.Tx, s *Scope, d *plan.Drift) error {
	missing := make([][]lacking, len(s.kinds))
	var foreign []plan.SurplusGrant
	batch := &pgx.Batch{}
	for i, kind := range s.kinds {
		sql, args := missingQuery(kind, s)
		catalog.Queue(batch, sql, &missing[i], args...)
	}
	kinds := s.surplusKinds()
	surplus := make([][]plan.SurplusGrant, len(kinds))
	var memberships []plan.SurplusMembership
	var ownerships []plan.SurplusOwnership
	if len(kinds) > 0 {
		batch.Queue("set local enable_nestloop = off")
		for i, kind := range kinds {
			if kind == "OWNER" {
				catalog.Queue(batch, s.render(surplusOwnershipsSQL, ""), &ownerships, s.roles)
			} else {
				catalog.Queue(batch, s.render(surplusGrantsSQL, kind), &surplus[i], s.roles)
			}
		}
		batch.Queue("set local enable_nestloop = on")
	}
	if (s.surplus || s.options) && s.member || s.Members {
		catalog.Queue(batch, s.render(surplusMembershipsSQL, ""), &memberships, s.roles, s.Allowed)
	}
	var defaults []plan.DefaultPrivileges
	if s.defaults {
		catalog.Queue(batch, defaultPrivilegesSQL, &defaults, s.roles)
	}
	if len(s.foreign) > 0 {
		catalog.Queue(batch, foreignGrantsSQL, &foreign, s.foreign)
	}
	if err := readRetiring(ctx, tx, s, d); err != nil || batch.Len() == 0 {
		return err
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("read what differs: %w", err)
	}
	fresh := &plan.Drift{Grants: slices.Concat(append(surplus, foreign)...), Memberships: memberships, Ownerships: ownerships, Defaults: defaults}
	if err := addDependents(ctx, tx, fresh); err != nil {
		return err
	}
	for _, list := range missing {
		addMissing(fresh, list)
	}
	if err := dropPassedBy(ctx, tx, fresh); err != nil {
		return err
	}
	if s.Citus {
		if err := dropShards(ctx, tx, fresh); err != nil {
			return err
		}
	}
	if s.legacy {
		if err := dropLegacy(ctx, tx, fresh); err != nil {
			return err
		}
	}
	d.Add(fresh)
	return nil
}

// missingQuery is the query for what is missing of one kind.
func missingQuery(kind string, s *Scope) (sql string, args []any) {
	switch kind {
	case "MEMBER":
		return s.render(missingMembershipsSQL, ""), []any{s.roles, s.Names}
	case "OWNER":
		return s.render(missingOwnershipsSQL, ""), []any{s.roles, s.Names}
	default:
		return s.render(missingGrantsSQL, kind), []any{s.roles, s.Names}
	}
}

// addMissing tells apart what roles lack, and what their rows newly resolve to: that has no privilege.
func addMissing(d *plan.Drift, list []lacking) {
	for i := range list {
		target := &list[i].Target
		for j, role := range list[i].RoleNames {
			if target.Privilege == "" {
				d.Resolved = append(d.Resolved, plan.Resolved{Role: role, Object: *target.Object(), Column: target.ColumnName, ColumnNumber: target.ColumnNumber})
			} else {
				d.Missing = append(d.Missing, plan.Missing{Target: target, GrantID: list[i].GrantIDs[j], Role: role})
			}
		}
	}
}

// part is a privilege on something that comes with a type or an extension.
type part struct {
	ClassOID, ObjectOID catalog.OID
	Privilege           string
}

// dropPassedBy removes from the drift what patterns match and do not mean: what comes with a type, such as a range's constructors, or with an
// extension. It belongs to a superuser, as a rule, and would keep the pattern blocked for ever.
func dropPassedBy(ctx context.Context, tx pgx.Tx, d *plan.Drift) error {
	set := map[part]bool{}
	for _, m := range d.Missing {
		if !m.Exact() && m.ObjectOID != 0 && m.DesiredPrivilege != "MEMBER" {
			set[part{m.ClassOID, m.ObjectOID, m.Privilege}] = true
		}
	}
	if len(set) == 0 {
		return nil
	}
	var classes, oids []catalog.OID
	var privileges []string
	for p := range set {
		classes, oids, privileges = append(classes, p.ClassOID), append(oids, p.ObjectOID), append(privileges, p.Privilege)
	}
	list, err := catalog.Collect[part](ctx, tx, passedBySQL, classes, oids, privileges)
	if err != nil {
		return fmt.Errorf("look for what comes with types and extensions: %w", err)
	}
	passed := map[part]bool{}
	for _, p := range list {
		passed[p] = true
	}
	if len(passed) > 0 {
		d.Missing = slices.DeleteFunc(d.Missing, func(m plan.Missing) bool { return !m.Exact() && passed[part{m.ClassOID, m.ObjectOID, m.Privilege}] })
	}
	return nil
}

const shardsSQL = "select o.oid from unnest($1::oid[]) as o (oid) where pg_catalog.relation_is_a_known_shard(o.oid)"

// dropShards removes from the drift the shards that patterns match. Citus hides them from a query of pg_class, but not from the functions that PostgreSQL inlines
// into it, and gives them by itself what their table gets.
func dropShards(ctx context.Context, tx pgx.Tx, d *plan.Drift) error {
	set := map[catalog.OID]bool{}
	for _, m := range d.Missing {
		if m.ObjectType == catalog.Table && !m.Exact() && m.ObjectOID != 0 {
			set[m.ObjectOID] = true
		}
	}
	for _, r := range d.Resolved {
		if r.Object.Type == catalog.Table {
			set[r.Object.OID] = true
		}
	}
	if len(set) == 0 {
		return nil
	}
	oids, err := catalog.Column[catalog.OID](ctx, tx, shardsSQL, slices.Collect(maps.Keys(set)))
	if err != nil {
		return fmt.Errorf("look for shards of Citus: %w", err)
	}
	isShard := func(oid catalog.OID) bool { return slices.Contains(oids, oid) }
	d.Missing = slices.DeleteFunc(d.Missing, func(m plan.Missing) bool { return m.ObjectType == catalog.Table && isShard(m.ObjectOID) })
	d.Resolved = slices.DeleteFunc(d.Resolved, func(r plan.Resolved) bool { return r.Object.Type == catalog.Table && isShard(r.Object.OID) })
	return nil
}

// dropLegacy removes from the drift what roles have through intermediate roles that the Python library made.
func dropLegacy(ctx context.Context, tx pgx.Tx, d *plan.Drift) error {
	type held struct {
		RoleName            string
		ClassOID, ObjectOID catalog.OID
		Privilege           string
	}
	roles := map[string]bool{}
	for _, m := range d.Missing {
		if m.MayUseIntermediate() {
			roles[m.Role] = true
		}
	}
	if len(roles) == 0 {
		return nil
	}
	list, err := catalog.Collect[held](ctx, tx, legacyPrivilegesSQL, sorted(roles))
	if err != nil {
		return fmt.Errorf("read memberships in the Python library's intermediate roles: %w", err)
	}
	has := make(map[held]bool, len(list))
	for _, h := range list {
		has[h] = true
	}
	if len(has) > 0 {
		d.Missing = slices.DeleteFunc(d.Missing, func(m plan.Missing) bool {
			return m.MayUseIntermediate() && has[held{m.Role, m.ClassOID, m.ObjectOID, m.Privilege}]
		})
	}
	return nil
}
