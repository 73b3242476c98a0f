package plan

import (
	"maps"
	"slices"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Needs lists the facts that a plan for a drift may take, in order.
type Needs struct {
	Schemas       []string      // by name
	Owners        []OwnerChange // by object
	Slots         bool
	Intermediates []catalog.OID // to which members may be added
	Overloads     []Routine
	Memberships   []catalog.OID // roles of which rows ask for membership
}

// Needs lists the facts to read before Make.
func (d *Drift) Needs(server catalog.Server, policy Policy) Needs {
	schemas, intermediates, memberships := set[string]{}, set[catalog.OID]{}, set[catalog.OID]{}
	overloads := map[Routine]bool{}
	n := Needs{Slots: UsesKeepers(server) && (len(d.Memberships) > 0 || d.mayMakeIntermediates(policy))}
	for _, m := range d.Missing {
		if m.SchemaName != "" && (m.NoUsage || !m.MayGrant) {
			schemas.add(m.SchemaName)
		}
		if m.isMember() && m.ObjectOID != 0 {
			memberships.add(m.ObjectOID)
		}
		if m.ObjectType == catalog.Routine && m.Exact() && !m.Exists() {
			overloads[m.routine()] = true
		}
		if m.isOwner() && (m.Exists() || m.CreateSchema) {
			n.Owners = append(n.Owners, OwnerChange{*m.Object(), m.Role})
		}
		intermediates.add(m.IntermediateOID)
	}
	for _, s := range d.Grants {
		if s.NoUsage || s.GrantorNoUsage {
			schemas.add(s.SchemaName)
		}
	}
	for _, s := range d.Ownerships {
		n.Owners = append(n.Owners, OwnerChange{s.Object(), d.newOwner(s.Role, policy.fallbackOwner(server.Role))})
	}
	delete(intermediates, 0)
	n.Schemas, n.Intermediates, n.Memberships = schemas.sorted(), intermediates.sorted(), memberships.sorted()
	n.Overloads = slices.Collect(maps.Keys(overloads))
	return n
}

// mayMakeIntermediates reports whether a plan may take new intermediate roles, which have keepers.
func (d *Drift) mayMakeIntermediates(policy Policy) bool {
	return slices.ContainsFunc(d.Missing, func(m Missing) bool {
		short := m.ACLLength+len(d.Missing) < policy.MaxDirectGrantees
		return !m.isMember() && !m.isOwner() && (m.IntermediateOID != 0 || !m.Exact() || m.Direct != nil || !short)
	})
}

// RightsOver lists the roles over which a plan for the drift may need rights. It wants the schemas and owners of the facts to be read.
func (d *Drift) RightsOver(f *Facts, policy Policy) []catalog.OID {
	roles := set[catalog.OID]{}
	for _, m := range d.Missing {
		if !m.MayGrant || m.isOwner() {
			roles.add(m.OwnerOID)
		}
		if m.isMember() {
			roles.add(m.ObjectOID)
		}
		roles.add(m.IntermediateOID)
	}
	for _, s := range d.Grants {
		roles.add(s.OwnerOID)
		roles.add(s.GrantorOID)
	}
	for _, s := range d.Memberships {
		roles.add(s.GrantedOID)
		roles.add(s.GrantorOID)
		roles.add(s.MemberOID)
	}
	for _, s := range d.Ownerships {
		roles.add(s.OwnerOID)
	}
	for _, s := range d.Defaults {
		roles.add(s.CreatorOID)
	}
	for _, r := range d.Retiring {
		roles.add(r.RoleOID)
		roles.add(r.ToOID)
		for _, l := range r.Leftovers {
			roles.add(l.OwnerOID)
			roles.add(l.PlaceOwnerOID)
		}
		for _, s := range r.Given {
			roles.add(s.GrantedOID)
			roles.add(s.GrantorOID)
		}
	}
	for _, r := range d.Roles {
		if changes, _ := settingChanges(r); len(changes) > 0 || r.altered(policy) {
			roles.add(r.OID)
		}
		if r.misnamed() {
			roles.add(r.IntermediateOID)
		}
	}
	for _, s := range f.Schemas {
		roles.add(s.OwnerOID)
	}
	for _, o := range f.Owners {
		roles.add(o.ToOID)
		roles.add(o.SchemaOwnerOID)
	}
	delete(roles, 0)
	return roles.sorted()
}

// RolesDiffer reports whether a role must be altered, and so whether the attributes of the daemon's own role must be read again.
func (d *Drift) RolesDiffer(policy Policy) bool {
	for _, r := range d.Roles {
		if r.misnamed() || r.altered(policy) {
			return true
		}
	}
	return false
}

// Renameable lists the schemas and types of the drift, which may be in the middle of a swap, as parallel lists.
func (d *Drift) Renameable() (classes, oids []catalog.OID) {
	add := func(t catalog.ObjectType, class, oid catalog.OID) {
		if oid != 0 && (t == catalog.Schema || t == catalog.Type) {
			classes, oids = append(classes, class), append(oids, oid)
		}
	}
	for _, m := range d.Missing {
		add(m.ObjectType, m.ClassOID, m.ObjectOID)
	}
	for _, s := range d.Grants {
		add(s.ObjectType, s.ClassOID, s.ObjectOID)
	}
	for _, s := range d.Ownerships {
		add(s.ObjectType, s.ClassOID, s.ObjectOID)
	}
	return classes, oids
}
