package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// createGroup makes the role of a MEMBER row. It is made without login.
func (m *maker) createGroup(missing Missing) {
	if why := reservedName(missing.DesiredName); why != "" {
		m.report(missing.Role, missing.problem(Refused, RoleNameReserved, why, ""))
		return
	}
	sql := "CREATE ROLE " + catalog.Quote(missing.DesiredName)
	m.touch(missing.Role)
	if _, ok := m.groups[missing.DesiredName]; !ok {
		m.plan.RoleChanges = append(m.plan.RoleChanges, RoleChange{Role: missing.DesiredName, Create: true})
	}
	m.groups[missing.DesiredName] = Step{Creates: missing.DesiredName, SQL: sql, Effects: []Effect{{Role: missing.Role, SQL: sql}}, Optional: true}
}

// addMember decides about a MEMBER row.
func (m *maker) addMember(missing Missing) {
	member := m.drift.Roles[missing.Role]
	if code, why := m.refusedMembership(missing, member); why != "" {
		m.report(missing.Role, missing.problem(Refused, code, why, ""))
		return
	}
	granted := m.facts.Rights[missing.ObjectOID]
	if missing.WinnerID != 0 {
		m.report(missing.Role, missing.problem(Refused, OptionConflict, fmt.Sprintf("desired grant %d asks for other options of the same membership", missing.WinnerID), ""))
		return
	}
	if m.forbidsMembership(missing, missing.ObjectOID) {
		return
	}
	change := MembershipChange{Granted: missing.ObjectName, Member: missing.Role, Role: missing.Role, Options: membershipOptions(member, missing.Target, m.facts.Server)}
	switch {
	case m.facts.Server.Superuser || granted.Admin:
		m.touch(missing.Role)
		m.plan.AddMembers = append(m.plan.AddMembers, change)
	case granted.Superuser:
		m.report(missing.Role, missing.problem(Blocked, SuperuserOnly, fmt.Sprintf("role %s is a superuser, and only superusers give membership in it", missing.ObjectName), joinFix(change)))
	default:
		m.report(missing.Role, missing.problem(Blocked, AdminOption, fmt.Sprintf("the daemon has no ADMIN option on role %s", missing.ObjectName), AdminFix(missing.ObjectName, m.facts.Server)))
	}
}

// membershipOptions are those that the row asks for. Where it says nothing of INHERIT and SET, they are those that GRANT gives by itself, spelled out because
// an existing membership may lack them.
func membershipOptions(member Role, t *Target, server catalog.Server) string {
	if !server.MembershipOptions() {
		if t.Grantable {
			return " WITH ADMIN OPTION"
		}
		return ""
	}
	inherit, set := t.InheritOption, t.SetOption
	if inherit == nil && set == nil {
		inherit, set = &member.Inherit, new(true)
	}
	var options []string
	add := func(name string, value *bool) {
		if value != nil {
			options = append(options, name+" "+strings.ToUpper(strconv.FormatBool(*value)))
		}
	}
	add("INHERIT", inherit)
	add("SET", set)
	if t.Grantable {
		add("ADMIN", &t.Grantable)
	}
	return " WITH " + strings.Join(options, ", ")
}

// refusedMembership says why a role may not become a member: it would come to reach what rows may not give.
func (m *maker) refusedMembership(missing Missing, member Role) (code Code, why string) {
	if IsOurs(missing.ObjectName) {
		return RoleNameReserved, reservedName(missing.ObjectName)
	}
	for _, r := range m.facts.Reachable[missing.ObjectOID] {
		switch {
		case r.OID == member.OID:
			return MembershipCircular, fmt.Sprintf("role %s is itself a member of %s: memberships cannot be circular", missing.ObjectName, missing.Role)
		case r.Privileged != "" && r.OID == missing.ObjectOID:
			return MembershipPrivileged, fmt.Sprintf("role %s is %s: rows give no membership in it, unless the daemon runs with --allow-membership-in", r.Name, r.Privileged)
		case r.Privileged != "":
			return MembershipPrivileged, fmt.Sprintf("membership in role %s reaches role %s, %s: rows do not give that, unless the daemon runs with --allow-membership-in", missing.ObjectName, r.Name, r.Privileged)
		}
	}
	return "", ""
}

// removals decides about each surplus membership who can end it, and adds a problem for those that cannot be ended.
func (m *maker) removals() []Removal {
	var list []Removal
	for i := range m.drift.Memberships {
		s := &m.drift.Memberships[i]
		if m.protected[s.Role] || m.suspends(s.Role) {
			continue
		}
		r, problem := m.removal(s)
		if problem != nil && m.retires(s.Role) && s.MemberName == s.Role {
			continue // DROP ROLE ends it
		}
		if problem != nil {
			m.report(s.Role, *problem)
			continue
		}
		list = append(list, r)
	}
	return list
}

// removal decides who can end a membership: before PostgreSQL 16 whoever has ADMIN, since then only its grantor.
func (m *maker) removal(s *SurplusMembership) (r Removal, problem *Problem) {
	if s.StillDesired && m.lacksMembership(s) {
		p := s.problem(NewGrantMissing, keptReason, "")
		return r, &p
	}
	if p := m.removalProblem(s); p != nil {
		return r, p
	}
	server, grantor, admin := m.facts.Server, m.facts.Rights[s.GrantorOID], m.facts.Rights[s.GrantedOID].Admin
	r = Removal{MembershipChange{Granted: s.GrantedName, Option: s.OptionOnly, Member: s.MemberName, Role: s.Role}, s, nil}
	switch {
	case !server.MembershipOptions() && (server.Superuser || admin):
	case !server.MembershipOptions():
		p := s.cannot(AdminOption, "the daemon has no ADMIN option on the role", leaveFix(s, grantor.Name, server))
		return r, &p
	case s.GrantorOID == server.RoleOID || server.Superuser || grantor.Usage:
		r.Options = " GRANTED BY " + catalog.Quote(grantor.Name)
	case grantor.Set:
		r.As = grantor.Name
	case canBorrow(grantor):
		r.As, r.Borrow = grantor.Name, grantor.Lender
	case m.isIntermediate(s.GrantedOID) && !admin:
		r.Replacement = &Replacement{
			Name: s.GrantedName, Role: s.Role, Abandoned: true, Leaving: []string{s.MemberName}, counts: true,
			Why: fmt.Sprintf("cannot end the membership of %s in %s: the daemon has no ADMIN option on the role", s.MemberName, s.GrantedName),
		}
	case m.isIntermediate(s.GrantedOID):
		r.Replacement = &Replacement{Name: s.GrantedName, Role: s.Role, Why: s.grantedBy(grantor.Name), counts: true}
	case m.isIntermediate(s.MemberOID) && m.facts.Rights[s.MemberOID].Admin:
		r.Replacement = &Replacement{Name: s.MemberName, Role: s.Role, Why: s.grantedBy(grantor.Name)}
	default:
		p := m.memberGrantorProblem(s, grantor.Name, admin)
		return r, &p
	}
	return r, nil
}

// memberGrantorProblem says why the daemon cannot act as the grantor of a membership that is to end.
func (m *maker) memberGrantorProblem(s *SurplusMembership, grantor string, admin bool) Problem {
	server := m.facts.Server
	why, fix := fmt.Sprintf("it was granted by role %s, and only that role can revoke it", grantor), leaveFix(s, grantor, server)
	if i := slices.IndexFunc(s.Dependents, func(d Dependent) bool { return d.Desired }); i >= 0 && !admin {
		why += fmt.Sprintf("; role %s is a member by its ADMIN option, a row asks for that, and the daemon has no ADMIN option on the role", s.Dependents[i].Role)
		fix = AdminFix(s.GrantedName, server) + "; " + fix
	}
	if !admin && strings.HasPrefix(s.GrantedName, OwnName(server.DatabaseOID, "")) {
		fix = conflictFix(s.GrantedName) // a replaced role that was abandoned
	}
	return s.cannot(GrantorOnly, why, fix)
}

// grantedBy says why a membership cannot be ended as others are.
func (s *SurplusMembership) grantedBy(grantor string) string {
	return fmt.Sprintf("cannot end the membership of %s in %s: it was granted by role %s", s.MemberName, s.GrantedName, grantor)
}

func (s *SurplusMembership) cannot(code Code, why, fix string) Problem {
	if s.OptionOnly != "" {
		return s.problem(code, fmt.Sprintf("cannot revoke %s from %s: %s", s, s.MemberName, why), fix)
	}
	return s.problem(code, fmt.Sprintf("cannot end the membership of %s in %s: %s", s.MemberName, s.GrantedName, why), fix)
}

// remove puts the removals that remain into the plan.
func (m *maker) remove(removals []Removal) {
	for _, r := range removals {
		if r.Replacement != nil {
			m.replace(*r.Replacement)
			continue
		}
		m.touch(r.Role)
		if r.Surplus.cascades() {
			m.rejoinDependents(r)
		}
	}
	m.plan.RemoveMembers = removals
}

func (m *maker) isIntermediate(oid catalog.OID) bool {
	for _, r := range m.drift.Roles {
		if r.Intermediate && !r.Keeper && r.IntermediateOID == oid {
			return true
		}
	}
	return false
}
