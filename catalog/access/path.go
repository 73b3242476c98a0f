package access

import (
	"slices"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Means is what the holder at the end of a path has the privilege by.
type Means string

// The means.
const (
	Granted    Means = "granted"    // an ACL entry of a role
	Public     Means = "public"     // an ACL entry of PUBLIC
	Owner      Means = "owner"      // the owner's ACL entry, which is there by default
	Predefined Means = "predefined" // a role of PostgreSQL's own, such as pg_read_all_data
	Superuser  Means = "superuser"  // no ACL is asked
	Member     Means = "member"     // of a role, or that role itself

	ThroughCode Means = "code" // a privilege on a view, a function or the like, which gives this one
)

// Path is one way by which a role has a privilege: over memberships to a holder, and how that one has it.
type Path struct {
	Chain   []Membership // empty: the role itself is the holder, or PUBLIC is
	Holder  string
	Means   Means
	SetRole string // the role that one must SET ROLE to; empty: the privilege is there at once
	Join    string // the role that one must make oneself a member of first, by an ADMIN option; empty: none
	Entry   Entry  // for granted, public and owner
	Code    *Code  // through which it has it, for code
}

// Effective reports whether the privilege is there without SET ROLE, and without a GRANT.
func (p Path) Effective() bool { return p.SetRole == "" && p.Join == "" }

// Subject is a role whose access is asked for, with all that it reaches by membership.
type Subject struct {
	Role
	reach []reached
}

// reached is a way to a role.
type reached struct {
	role  Role
	chain chain
}

// path is a way to what the role at the end has.
func (r reached) path(means Means) Path {
	p := Path{Chain: r.chain, Holder: r.role.Name, Means: means}
	if set := r.chain.setRole(); set != nil {
		p.SetRole = set.Name
	}
	if own := r.chain.own(); own != nil {
		p.Join = own.Role.Name
	}
	return p
}

// superuser is the way to be a superuser, where the role at the end is one. That is never inherited: one must SET ROLE to it.
func (r reached) superuser() (Path, bool) {
	p := r.path(Superuser)
	p.SetRole = ""
	if len(r.chain) > 0 {
		p.SetRole = r.role.Name
	}
	return p, r.role.Superuser && r.chain.canSet()
}

// Subject finds all that a role reaches.
func (g Graph) Subject(role Role) *Subject {
	s := &Subject{Role: role}
	reach := g.chains(role.OID)
	for oid, chains := range reach {
		for _, c := range chains {
			r := reached{role, c}
			if oid != role.OID {
				r.role = c[len(c)-1].Role
			}
			s.reach = append(s.reach, r)
		}
	}
	if !role.Superuser {
		s.reach = append(s.reach, g.joinable(role, reach)...)
	}
	slices.SortFunc(s.reach, compareReached)
	return s
}

// joinable are the ways to roles that the role does not reach as it is, over a membership that it can give itself.
func (g Graph) joinable(role Role, known map[catalog.OID][]chain) (list []reached) {
	for _, own := range g.grantable(role, known) {
		for oid, chains := range g.chains(own.Role.OID) {
			if known[oid] != nil {
				continue
			}
			for _, c := range chains {
				c = append(chain{own}, c...)
				list = append(list, reached{c[len(c)-1].Role, c})
			}
		}
	}
	return list
}

// Reach lists the roles that the subject is, is a member of, or can make itself a member of.
func (s *Subject) Reach() []Role {
	var roles []Role
	for _, r := range s.reach {
		if !slices.Contains(roles, r.role) {
			roles = append(roles, r.role)
		}
	}
	return roles
}

// Superusers lists the ways by which the subject is a superuser, or can become one: the shortest first.
func (s *Subject) Superusers() []Path {
	var paths []Path
	for _, r := range s.reach {
		if p, ok := r.superuser(); ok {
			paths = append(paths, p)
		}
	}
	return paths
}

// Paths lists the ways by which the subject has a privilege on an object, or on a column of it: the shortest first, those by PUBLIC last.
// A privilege on the whole table is not listed for its columns.
func (s *Subject) Paths(o *Object, privilege, column string) []Path {
	var paths []Path
	for _, r := range s.reach {
		p := r.path("")
		super, isSuper := r.superuser()
		isSuper = isSuper && column == ""
		if isSuper && super.SetRole == p.SetRole { // no ACL is asked
			paths = append(paths, super)
			continue
		}
		if column == "" && isPredefined(r.role.Name, o, privilege) {
			p.Means = Predefined
			paths = append(paths, p)
		}
		for _, e := range o.Entries {
			if e.Grantee != r.role.OID || e.Privilege != privilege || e.Column != column {
				continue
			}
			p.Means, p.Entry = Granted, e
			if e.Grantee == o.Owner {
				p.Means = Owner
			}
			paths = append(paths, p)
		}
		if isSuper { // what is inherited from it by ACL is there before that SET ROLE
			paths = append(paths, super)
		}
	}
	for _, e := range o.Entries {
		if s.OID != 0 && e.Grantee == 0 && e.Privilege == privilege && e.Column == column {
			paths = append(paths, Path{Holder: catalog.Public, Means: Public, Entry: e})
		}
	}
	return paths
}

// Has reports whether the subject has a privilege on an object at once, as PostgreSQL's has_…_privilege says it.
func (s *Subject) Has(o *Object, privilege, column string) bool {
	return slices.ContainsFunc(s.Paths(o, privilege, column), Path.Effective) ||
		column != "" && slices.ContainsFunc(s.Paths(o, privilege, ""), Path.Effective)
}

// isPredefined reports whether a role has a privilege on all objects of a type by being what it is: the manual's "Predefined Roles", and
// pg_class_aclmask_ext, pg_largeobject_aclmask_snapshot and pg_namespace_aclmask_ext in aclchk.c.
func isPredefined(role string, o *Object, privilege string) bool {
	relation := o.Type == catalog.Table || o.Type == catalog.Sequence || o.Type == catalog.PropertyGraph
	switch role {
	case "pg_read_all_data":
		return (relation || o.ForAllData) && privilege == "SELECT" || o.Type == catalog.Schema && privilege == "USAGE"
	case "pg_write_all_data":
		return relation && slices.Contains([]string{"INSERT", "UPDATE", "DELETE"}, privilege) || o.ForAllData && privilege == "UPDATE" ||
			o.Type == catalog.Schema && privilege == "USAGE"
	case "pg_maintain":
		return relation && privilege == "MAINTAIN"
	}
	return false
}

// PathsTo lists the ways by which the subject is a member of a role, or that role itself; a superuser needs none.
func (s *Subject) PathsTo(role Role) []Path {
	var paths []Path
	if s.Superuser {
		paths = append(paths, Path{Holder: s.Name, Means: Superuser})
	}
	for _, r := range s.reach {
		if r.role.OID == role.OID {
			paths = append(paths, r.path(Member))
		}
	}
	return paths
}

// PathsToOwner lists the ways by which the subject can do what only an object's owner can.
func (s *Subject) PathsToOwner(o *Object) []Path {
	paths := s.Superusers()
	for _, p := range s.PathsTo(Role{OID: o.Owner}) {
		if p.Means == Member {
			p.Means = Owner
			paths = append(paths, p)
		}
	}
	return paths
}

// CanSet reports whether each membership of the path is there and allows SET ROLE.
func (p Path) CanSet() bool { return p.Join == "" && chain(p.Chain).canSet() }
