package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// passedOn is a privilege on an object, or a column, that a role holds from one grantor.
type passedOn struct {
	class, oid        catalog.OID
	column, privilege string
	grantor           catalog.OID
	role              string
}

// withoutAlong leaves out what goes with the privilege of the role that passed it on, and so needs no revoke of its own.
func (m *maker) withoutAlong(revocations []Revocation) []Revocation {
	along := map[passedOn]bool{}
	var alone []Revocation
	for _, r := range revocations {
		s := r.Surplus
		if along[passedOn{s.ClassOID, s.ObjectOID, s.ColumnName, s.Privilege, s.GrantorOID, s.Role}] {
			m.touch(s.Role)
			continue
		}
		if r.problem == nil {
			for _, d := range s.Dependents {
				along[passedOn{s.ClassOID, s.ObjectOID, s.ColumnName, s.Privilege, d.Grantor, d.Role}] = true
			}
		}
		alone = append(alone, r)
	}
	return alone
}

// cascadeProblem says why a privilege cannot be revoked together with what depends on it; nil: it can.
func (m *maker) cascadeProblem(s *SurplusGrant, owner catalog.Rights) *Problem {
	var reasons, fixes []string
	code := DependentProtected
	for _, d := range s.Dependents {
		_, ok := m.ownerLenders(s, owner)
		if m.policy.protects(d.Role) {
			reasons = append(reasons, fmt.Sprintf("role %s holds it by this role's grant option, would lose it, and is protected (--protect)", d.Role))
			fixes = append(fixes, regrantFix(s, d))
		} else if d.Desired && !ok {
			code = DependentNotGrantable
			reasons = append(reasons, fmt.Sprintf("role %s holds it by this role's grant option, a row asks for it, and the daemon cannot grant it as the owner, role %s", d.Role, owner.Name))
			if owner.Superuser {
				fixes = append(fixes, regrantFix(s, d))
			} else {
				fixes = append(fixes, memberFix(owner.Lender, false, m.facts.Server))
			}
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	p := s.cannot(code, strings.Join(reasons, "; "), strings.Join(slices.Compact(fixes), "; "))
	return &p
}

// ownerLenders says whose privileges it takes to grant as an object's owner.
func (m *maker) ownerLenders(s *SurplusGrant, owner catalog.Rights) (lenders Lenders, ok bool) {
	if m.facts.Server.Superuser || owner.Usage && !s.NoUsage {
		return Lenders{}, true
	}
	if lenders, ok := m.withinSchema(s, owner); ok {
		return lenders, true
	}
	return Lenders{Owner: owner.Lender}, canBorrow(owner)
}

// withinSchema says whose privileges it takes to act as an object's owner in a schema on which the daemon has no USAGE; ok is false where it has, or
// cannot borrow them.
func (m *maker) withinSchema(s *SurplusGrant, owner catalog.Rights) (lenders Lenders, ok bool) {
	schema, lent := m.schemaLender(s.SchemaName)
	switch {
	case !s.NoUsage || !lent:
		return Lenders{}, false
	case owner.Usage:
		return Lenders{Schema: schema}, true
	default:
		return Lenders{Owner: owner.Lender, Schema: schema}, canBorrow(owner)
	}
}

// regrantDependents has the owner grant what dependents would lose and a row asks for, before it is revoked.
func (m *maker) regrantDependents(r Revocation) {
	s := r.Surplus
	for _, d := range s.Dependents {
		if d.Desired {
			lenders, _ := m.ownerLenders(s, m.facts.Rights[s.OwnerOID])
			m.regrants = append(m.regrants, PrivilegeChange{Object: r.Object, Column: s.ColumnName, Privilege: s.Privilege, Role: d.Role, Option: d.Grantable, Lenders: lenders})
		}
	}
}

// cascade is a revoke that takes dependents along, with what it revokes on columns and the role keeps.
func (m *maker) cascade(r Revocation) []Step {
	step := withEffectsOn(r.Surplus.Dependents, aclSteps(revoke, []PrivilegeChange{r.PrivilegeChange}, 1)[0])
	if kept := m.keptColumns(r.PrivilegeChange); len(kept) > 0 {
		return m.bundle(append([]Step{step}, columnSteps(kept, 1)...))
	}
	return []Step{step}
}

// withEffectsOn makes a revoke cascade, and names each role that loses something by that.
func withEffectsOn(dependents []Dependent, step Step) Step {
	step.SQL += " CASCADE"
	step.Effects = slices.Clone(step.Effects)
	step.Effects[0].SQL += " CASCADE"
	for _, d := range dependents {
		if !d.Desired {
			step.Effects = append(step.Effects, Effect{Role: d.Role, SQL: step.Effects[0].SQL, Revoked: 1, Changes: step.Effects[0].Changes})
		}
	}
	return step
}

// removalProblem says why a membership cannot be ended together with what depends on it; nil: it can.
func (m *maker) removalProblem(s *SurplusMembership) *Problem {
	var reasons, fixes []string
	for _, d := range s.Dependents {
		if m.policy.protects(d.Role) {
			reasons = append(reasons, fmt.Sprintf("role %s is a member by its ADMIN option, would lose that too, and is protected (--protect)", d.Role))
			fixes = append(fixes, rejoinFix(s.GrantedName, d, m.facts.Server))
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	p := s.cannot(DependentProtected, strings.Join(reasons, "; "), strings.Join(fixes, "; "))
	return &p
}

// rejoinDependents adds members again that would lose their membership and for which there is a row. Before PostgreSQL 16 they do not lose it.
func (m *maker) rejoinDependents(r Removal) {
	if !m.facts.Server.MembershipOptions() {
		return
	}
	for _, d := range r.Surplus.Dependents {
		if d.Desired {
			options := ""
			if d.Grantable {
				options = " WITH ADMIN TRUE"
			}
			m.rejoins = append(m.rejoins, MembershipChange{Granted: r.Granted, Member: d.Role, Role: d.Role, Options: options})
		}
	}
}

// membershipCascade ends a membership with those that the member has given to others by its ADMIN option.
func membershipCascade(r Removal) []Step {
	return []Step{withEffectsOn(r.Surplus.Dependents, membershipSteps(revoke, []MembershipChange{r.MembershipChange})[0])}
}

// withDependents are the memberships that end with one before PostgreSQL 16, where no REVOKE cascades: each by a REVOKE of its own.
func withDependents(r Removal) []MembershipChange {
	list := []MembershipChange{r.MembershipChange}
	for _, d := range r.Surplus.Dependents {
		if !d.Desired {
			list = append(list, MembershipChange{Granted: r.Granted, Member: d.Role, Role: d.Role})
		}
	}
	return list
}

// cascadeOrder puts the revokes that cascade in order, each followed by its bundle.
func cascadeOrder(bundles [][]Step) []Step {
	slices.SortFunc(bundles, func(a, b []Step) int {
		return cmp.Or(cmp.Compare(a[0].As, b[0].As), cmp.Compare(a[0].SQL, b[0].SQL))
	})
	return slices.Concat(bundles...)
}
