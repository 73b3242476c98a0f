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
	desiredKindsSQL    = query("desired_kinds")
	allDesiredKindsSQL = query("all_desired_kinds")
	withdrawnKindsSQL  = query("withdrawn_kinds")
	unmatchedSQL       = query("unmatched")
)

// The rest as scalars: each reads one entry of an index that has only rows that are not plain.
const premisesSQL = `
	select exists (select from pg_catalog.pg_roles where rolname like '\_pgsr\_local\_%' or rolname like '\_pgsr\_global\_%'),
		(select true from sync_roles.desired_grants as g where not sync_roles.is_plain(g.schema_match, g.except_names, g.except_columns, g.partitions) limit 1) is null
		and (select true from sync_roles.withdrawn as w where not sync_roles.is_plain(w.schema_match, w.except_names, w.except_columns, w.partitions) limit 1) is null
		and (select true from sync_roles.intermediate_roles as i where not sync_roles.is_plain(i.schema_match, i.except_names, i.except_columns, i.partitions) limit 1) is null,
		(select true from sync_roles.desired_grants as g where g.at_creation limit 1) is not null
		or (select true from pg_catalog.pg_default_acl as d limit 1) is not null,
		(select true from sync_roles.forbidden limit 1) is not null`

const memberSQL = `
	select coalesce(bool_or((select true from pg_catalog.pg_auth_members as m where m.member = r.oid limit 1)), false),
		exists (
			select
			from sync_roles.desired_grants as g
			where g.role_name = any ($1) and (g.inherit_option is not null or g.set_option is not null)
		)
	from pg_catalog.pg_roles as r
	where r.rolname = any ($1::name[])`

// Extent narrows or widens the search for differences.
type Extent struct {
	Names    []string // only what desired grants with these names or patterns ask for; nil: everything
	Renamed  bool     // also objects that were renamed, which reads every name in use
	Members  bool     // also members of intermediate roles that should not be, in the batch or outside
	Enforced bool     // also what rules with enforce take from the roles
	Allowed  []string // privileged roles in which rows may ask for membership
	Citus    bool     // there are shards, which look like tables of their own
	Owner    string   // who gets what retired roles own, where their rows do not say
}

// Scope is where differences are looked for.
type Scope struct {
	Extent
	roles    []string
	kinds    []string // of what is missing (plan.Target.Kind)
	surplus  bool     // also what the roles have and should not
	member   bool     // one of the roles is a member of any
	options  bool     // rows may say that memberships lack INHERIT or SET
	plain    bool     // no row names schemas by a pattern, or leaves names or columns out
	defaults bool     // there are default privileges, or should be
	legacy   bool     // there are intermediate roles that the Python library made
	foreign  []string // roles that are named like other databases' intermediate roles
	retired  []string // roles that are being retired: all that they have is surplus, and their rows ask for nothing

	Rules bool // there are rows in sync_roles.forbidden

	exclusive bool // there are roles that keep nothing but what their rows give
	withdrawn []withdrawnKind

	Unmatched []plan.Unmatched // rows that are left out
}

// withdrawnKind is a kind of which rows are gone.
type withdrawnKind struct {
	Kind      string // as in Scope.kinds
	Grantable bool   // one of them gave a grant option
}

// ReadScope reads the roles, and what kinds of things their rows ask for. It lets PostgreSQL plan for the batch at hand where
// that is large; for a few roles the generic plan is right, and planning anew would take longer than all the rest.
func ReadScope(ctx context.Context, tx pgx.Tx, names []string, extent Extent) (map[string]plan.Role, *Scope, error) {
	mode := "set local plan_cache_mode = force_generic_plan"
	if len(names) > 20 || len(extent.Names) > 20 { // of which PostgreSQL then makes a hash table
		mode = "set local plan_cache_mode = force_custom_plan"
	}
	s := &Scope{Extent: extent, roles: names}
	var list []plan.Role
	batch := &pgx.Batch{}
	batch.Queue(mode)
	catalog.Queue(batch, rolesSQL, &list, names)
	if extent.Names == nil {
		catalog.QueueColumn(batch, allDesiredKindsSQL, &s.kinds, names)
	} else {
		catalog.QueueColumn(batch, desiredKindsSQL, &s.kinds, names, extent.Names)
	}
	catalog.Queue(batch, withdrawnKindsSQL, &s.withdrawn, names)
	catalog.Queue(batch, unmatchedSQL, &s.Unmatched, names)
	batch.Queue(premisesSQL).QueryRow(func(row pgx.Row) error { return row.Scan(&s.legacy, &s.plain, &s.defaults, &s.Rules) })
	batch.Queue(memberSQL, names).QueryRow(func(row pgx.Row) error { return row.Scan(&s.member, &s.options) })
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, nil, fmt.Errorf("read roles: %w", err)
	}
	// Nothing can be surplus where no row has gone, no role is exclusive and nothing was renamed. What was granted by hand to
	// intermediate roles, or them to others, is found when all roles are inspected.
	s.surplus = extent.Renamed || extent.Enforced
	for _, r := range list {
		if r.State == plan.Retired {
			s.roles = slices.DeleteFunc(slices.Clone(s.roles), func(name string) bool { return name == r.Name })
			if r.OID != 0 {
				s.retired = append(s.retired, r.Name)
			}
			continue
		}
		s.exclusive = s.exclusive || r.Exclusive || r.Intermediate && extent.Members
		s.surplus = s.surplus || s.exclusive || r.Withdrawn
		s.options = s.options || r.DesiredInherit != nil && !*r.DesiredInherit
		if r.Foreign {
			s.foreign = append(s.foreign, r.Name)
		}
	}
	return byName(list), s, nil
}

// Narrow is the scope in which there are differences: all that a plan for them can have changed.
func (s *Scope) Narrow(d *plan.Drift) *Scope {
	roles, kinds, names, foreign := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, m := range d.Missing {
		roles[m.Role], kinds[m.Kind()], names[m.DesiredName] = true, true, true
	}
	for _, g := range d.Grants {
		roles[g.Role], kinds[string(g.ObjectType)] = true, true
		if d.Roles[g.Role].Foreign {
			foreign[g.Role] = true
		}
	}
	for _, m := range d.Memberships {
		roles[m.Role], kinds["MEMBER"] = true, true
	}
	for _, o := range d.Ownerships {
		roles[o.Role], kinds["OWNER"] = true, true
	}
	for _, o := range d.Defaults {
		roles[o.Role] = true
	}
	for _, role := range s.retired {
		delete(roles, role)
	}
	n := &Scope{
		Extent: s.Extent, roles: sorted(roles), retired: s.retired, kinds: sorted(kinds), plain: s.plain, defaults: s.defaults, legacy: s.legacy, foreign: sorted(foreign),
		exclusive: s.exclusive, withdrawn: s.withdrawn, member: true, options: s.options, Rules: s.Rules, surplus: len(d.Grants)+len(d.Ownerships)+len(d.Memberships) > 0, Unmatched: s.Unmatched,
	}
	n.Members = s.Members && len(d.Memberships) > 0
	n.Names = nil
	if !n.surplus { // what gives revokes nothing that other names ask for
		n.Names = Few(sorted(names))
	}
	return n
}

// surplusKinds are the kinds of which roles may have what they should not, for a query of each; "" is a query for all.
func (s *Scope) surplusKinds() []string {
	switch {
	case !s.surplus:
		return nil
	case s.exclusive || s.Renamed || s.Enforced:
		return []string{"", "OWNER"}
	default:
		var kinds []string
		for _, w := range s.withdrawn {
			if w.Kind != "MEMBER" {
				kinds = append(kinds, w.Kind)
			}
		}
		return kinds
	}
}

// grantOptions reports whether roles may have grant options that they should not have on what they should.
func (s *Scope) grantOptions() bool {
	return s.exclusive || slices.ContainsFunc(s.withdrawn, func(w withdrawnKind) bool { return w.Grantable })
}

// render puts constants in place of the parameters that decide what there is to plan.
func (s *Scope) render(sql, kind string) string {
	return constants{
		plain: s.plain, renamed: s.Renamed, members: s.Members, legacy: s.legacy, exclusive: s.exclusive, whole: s.Names == nil, options: s.grantOptions(), enforced: s.Enforced, kind: kind,
	}.render(sql)
}

// Few returns the names if looking for them alone is quicker than for all, and nil otherwise.
func Few(names []string) []string {
	if len(names) > 1000 {
		return nil
	}
	return names
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
